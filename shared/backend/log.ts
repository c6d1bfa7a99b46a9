// One JSON line an event. Only names, ids, numbers and flags: no text that a user or the provider wrote.

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;
export type Log = (event: string, fields?: LogFields) => void;

export function createLog(write: (line: string) => void, now: () => number): Log {
  return (event, fields = {}) =>
    write(JSON.stringify({ at: new Date(now()).toISOString(), event, ...fields }));
}

/** What may be told of an error: its kind, never its message, which can quote what it failed on. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return code === "" ? error.name : `${error.name} ${code}`;
}
