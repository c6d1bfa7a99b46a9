/**
 * pg_cron's schedules: five fields in GMT (`$` = last day of the month), `N seconds`, and the @words. What SQL
 * accepts is decided by cron.schedule; this only reads it.
 */

export type Schedule =
  | { readonly kind: "seconds"; readonly everySeconds: number }
  | { readonly kind: "reboot" }
  | { readonly kind: "fields"; readonly matches: (time: Date) => boolean };

const words: Record<string, string> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

export function parseSchedule(text: string): Schedule {
  const wanted = text.trim().toLowerCase();
  const seconds = /^(\d+)\s+seconds?$/.exec(wanted);
  if (seconds) return { kind: "seconds", everySeconds: Number(seconds[1]) };
  if (wanted === "@reboot") return { kind: "reboot" };
  const [minute, hour, day, month, weekday, ...more] = (words[wanted] ?? wanted).split(/\s+/);
  if (!minute || !hour || !day || !month || !weekday || more.length > 0) {
    throw new Error(`invalid schedule: ${text}`);
  }
  const minutes = values(minute, 0, 59);
  const hours = values(hour, 0, 23);
  const lastDay = day.split(",").includes("$");
  const days = values(day.split(",").filter((item) => item !== "$").join(","), 1, 31);
  const monthNumbers = values(month, 1, 12, months);
  const weekdayNumbers = values(weekday, 0, 7, weekdays);
  if (weekdayNumbers.has(7)) weekdayNumbers.add(0); // both are Sunday

  const dayMatches = (time: Date) => {
    const tomorrow = new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate() + 1));
    const ofMonth = days.has(time.getUTCDate()) || (lastDay && tomorrow.getUTCDate() === 1);
    const ofWeek = weekdayNumbers.has(time.getUTCDay());
    // Vixie cron: when both are restricted, either is enough.
    return day.startsWith("*") || weekday.startsWith("*") ? ofMonth && ofWeek : ofMonth || ofWeek;
  };
  return {
    kind: "fields",
    matches: (time) =>
      minutes.has(time.getUTCMinutes()) && hours.has(time.getUTCHours()) &&
      monthNumbers.has(time.getUTCMonth() + 1) && dayMatches(time),
  };
}

function values(field: string, lowest: number, highest: number, names: readonly string[] = []): Set<number> {
  const read = (text: string) => names.includes(text) ? names.indexOf(text) + lowest : Number(text);
  const found = new Set<number>();
  for (const item of field.split(",").filter(Boolean)) {
    const [range = "", step = "1"] = item.split("/");
    const [from = "", to] = range.split("-");
    const first = from === "*" ? lowest : read(from);
    const last = from === "*" ? highest : to === undefined ? first : read(to);
    for (let value = first; value <= last; value += Number(step)) found.add(value);
  }
  return found;
}
