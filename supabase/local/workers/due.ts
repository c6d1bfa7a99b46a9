/** When a cron job is due, and what of it waits: the part of pg_cron that needs no database. */
import type { Schedule } from "./schedule.ts";

/** The wall clock. A test brings its own. */
export interface CronClock {
  nowMs(): number;
  /** Answers how to call it off. */
  setTimer(run: () => void, delayMs: number): () => void;
}

export const wallClock: CronClock = {
  nowMs: () => Date.now(),
  setTimer(run, delayMs) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

const minuteMs = 60_000;
/** Later than this the original takes the clock for set forward, and does not run each minute that it missed. */
const minutesCaughtUp = 5;

/** When to look next, counted for an interval from the last start, for fields at the next full minute. */
export function nextDue(schedule: Schedule, nowMs: number): number {
  if (schedule.kind === "seconds") return nowMs + schedule.everySeconds * 1_000;
  if (schedule.kind === "reboot") return Infinity;
  return (Math.floor(nowMs / minuteMs) + 1) * minuteMs;
}

/**
 * How many runs wait once `dueAtMs` has come and it is `nowMs`: minutes that pass while a run goes on or while the
 * machine is busy are added, an interval waits once however often it passed.
 */
export function addDue(schedule: Schedule, waiting: number, dueAtMs: number, nowMs: number): number {
  if (schedule.kind === "seconds") return 1;
  if (schedule.kind === "reboot") return waiting;
  const thisMinuteMs = Math.floor(nowMs / minuteMs) * minuteMs;
  const isJump = thisMinuteMs - dueAtMs >= minutesCaughtUp * minuteMs;
  let added = 0;
  for (let atMs = isJump ? thisMinuteMs : dueAtMs; atMs <= nowMs; atMs += minuteMs) {
    if (schedule.matches(new Date(atMs))) added += 1;
  }
  return waiting + added;
}
