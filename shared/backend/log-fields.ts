// What a log line may hold: every field there is and the form of its value. What does not fit is withheld, never
// written, so no sentence, token, address or error message reaches a log by mistake. A single lower-case word fits the
// fields of words: they are given words of our own code only.

import { caps, generationStatuses, problems } from "../contract/mod.ts";
import { predictionStatuses } from "../wavespeed/mod.ts";

type Form<Value> = (value: unknown) => value is Value;

function oneOf<const Word extends string>(...words: readonly Word[]): Form<Word> {
  const known: ReadonlySet<unknown> = new Set(words);
  return (value): value is Word => known.has(value);
}

/** For words that come from elsewhere: only those of the set are written, but the type says no more than text. */
function wordOf(words: readonly string[]): Form<string> {
  return oneOf(...words);
}

function matching(pattern: RegExp): Form<string> {
  return (value): value is string => typeof value === "string" && pattern.test(value);
}

const uuid = matching(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i);
const trace = matching(/^[0-9a-f]{32}$/);
/** A name in our code or the provider's client, such as http_404; too short for any token of ours. */
const word = matching(/^[a-z][a-z0-9_]{0,39}$/);
const flag: Form<boolean> = (value) => typeof value === "boolean";
const count: Form<number> = (value): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** Every field there is, in the order in which a line has them. */
const fields = {
  /** When it began, ISO 8601 in UTC. */
  at: matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  kind: oneOf("request", "step"),
  function: oneOf("start-generation", "cancel", "wavespeed-webhook", "sweep", "thumbnail"),
  /** Of a step. */
  step: oneOf(
    "dispatch",
    "submit",
    "follow_up",
    "polls",
    "poll",
    "listing",
    "persists",
    "persist",
    "store_image",
    "thumbnails",
    "wake_thumbnails",
    "thumbnail",
    "purges",
    "balance",
    "sweep",
  ),
  method: wordOf(["POST", "OPTIONS", "GET", "HEAD", "PUT", "PATCH", "DELETE"]),
  /** HTTP status of the answer. */
  status: count,
  duration_ms: count,
  outcome: word,
  /** The problem that was answered. */
  code: wordOf(Object.keys(problems)),
  /** The cap that the problem names. */
  cap: wordOf(Object.keys(caps)),
  /** Of an error its kind, never its message: that can quote what it failed on. */
  error: matching(/^[A-Za-z][A-Za-z0-9]{0,59}$/),
  /** SQLSTATE, PGRST…, the system's or a setting's name, or a short word such as http_503. No key of ours is one. */
  error_code: matching(/^[0-9A-Z]{5}$|^PGRST[0-9A-Z]{1,4}$|^[A-Z][A-Z_]{0,59}$|^[a-z][a-z0-9_]{0,29}$/),
  /** The database function that failed. */
  error_call: word,
  /** What the sign-in check refused with. */
  gate_code: matching(/^[A-Z][A-Z0-9_]{0,59}$/),
  reason: word,
  /** The job's, from its start through callback, sweep and storing; the request's own where no job is known. */
  trace_id: trace,
  /** Of the request that this ran in: the `trace_id` of its problem, its `x-trace-id`. */
  request_trace_id: trace,
  /** Stands for a person: a log with it is personal data until the user is erased from it. */
  user_id: uuid,
  job_id: uuid,
  attempt_id: uuid,
  /** Number of the attempt within its job. */
  attempt: count,
  job_status: wordOf(generationStatuses),
  provider_status: wordOf(predictionStatuses),
  /** Why the provider did not deliver. */
  provider_class: word,
  /** What became of the POST, also where that could not be recorded. */
  submission: oneOf("accepted", "rejected", "unknown"),
  /** Why there was nothing to send. */
  input_fault: oneOf("inputs_unreachable", "catalogue_fault"),
  next: oneOf("persist", "wait", "none", "unknown_task"),
  refund: oneOf("released", "pending", "none"),
  provider_told: flag,
  /** The callback's address carried a token of ours. */
  token_valid: flag,
  retry_after_seconds: count,
  queue_position: count,
  body_bytes: count,
  image_index: count,
  image_bytes: count,
  images: count,
  failures: count,
  rounds: count,
  submits: count,
  polls: count,
  listings: count,
  persists: count,
  thumbnails: count,
  purges: count,
  balances: count,
  predictions: count,
  errors: count,
  /** Work that the database says is due. */
  due: count,
  /** Fields of names that do not stand here, left out. */
  withheld: count,
};

type FieldName = keyof typeof fields;
type ValueOf<Given> = Given extends Form<infer Value> ? Value : never;
export type LogFields = {
  readonly [Name in FieldName]?: ValueOf<(typeof fields)[Name]> | null | undefined;
};
type SetByLog = "at" | "kind" | "function" | "step" | "duration_ms" | "withheld" | "request_trace_id";
export type Told = Omit<LogFields, SetByLog>;
export type FunctionName = ValueOf<typeof fields.function>;
export type StepName = ValueOf<typeof fields.step>;

/** Stands where a value did not have its field's form. */
export const withheldMark = "[withheld]";

/** The line of what is known, in the table's order. */
export function allowed(known: Record<string, unknown>): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  for (const [name, fits] of Object.entries(fields)) {
    if (Object.hasOwn(known, name)) line[name] = fits(known[name]) ? known[name] : withheldMark;
  }
  // Not even their names: a name can be a text as well.
  const withheld = Object.keys(known).filter((name) => !Object.hasOwn(fields, name)).length;
  return withheld === 0 ? line : { ...line, withheld };
}
