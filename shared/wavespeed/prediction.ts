// One prediction (the provider's word for a task), as its submit answer, its result, its list and its callback tell it.
// The provider is untrusted: only the id and the status must be there, all else that has a wrong type is absent.

import * as z from "zod";

export const predictionStatuses = [
  "created",
  "processing",
  "completed",
  "failed",
  "cancelled",
  "timeout",
  "deleted",
  /** A word we do not know. It does not end the task; `rawStatus` has it. */
  "unknown_status",
] as const;
export type PredictionStatus = typeof predictionStatuses[number];

export interface Prediction {
  id: string;
  /** The provider's model id; empty when it was not said. */
  model: string;
  status: PredictionStatus;
  rawStatus: string;
  /** http(s) URLs in the provider's order. A completed prediction may have none: treat that as a failure. */
  outputs: string[];
  /** Entries of `outputs` that were no URL (text, bare base64). */
  otherOutputs: unknown[];
  /** One per entry of `outputs`, or empty where the provider leaves the field out. */
  flagged: boolean[];
  /** The provider's words, cut to 200 characters. May quote the prompt: pass it through `redact` before storing. */
  error: string | null;
  errorCode: number | null;
  /** ISO 8601 in UTC with milliseconds; the provider sends nanoseconds. */
  createdAt: string | null;
  inferenceMs: number | null;
  /** Echoed by the submit answer and by some lists, with the model's defaults filled in. */
  input?: Record<string, unknown>;
}

export type ParsedPrediction =
  | { kind: "prediction"; prediction: Prediction }
  | { kind: "malformed"; reason: "too_large" | "not_utf8" | "not_json" | "not_a_prediction" };

export const maxAnswerBytes = 1024 * 1024;
const maxErrorLength = 200;
const maxStatusLength = 64;
/**
 * Date.parse takes "soon 7" for the year 2001 and a time without a zone for this machine's. A time that is wrong can
 * place a task outside a window that it belongs in; one that is absent cannot.
 */
const timeForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
/** Real ids are 32 hex digits. The form matters: an id becomes part of a path that carries our key. */
export const taskIdForm = /^[A-Za-z0-9_-]{1,128}$/;

const finalStatuses: ReadonlySet<PredictionStatus> = new Set([
  "completed",
  "failed",
  "cancelled",
  "timeout",
  "deleted",
]);

/** Spellings and words seen in fixtures and other clients. */
const otherWords: Readonly<Record<string, PredictionStatus>> = { pending: "created", canceled: "cancelled" };

const RawPrediction = z.looseObject({
  id: z.string().regex(taskIdForm),
  status: z.string().min(1),
  model: z.string().max(256).catch(""),
  outputs: z.array(z.unknown()).catch([]),
  has_nsfw_contents: z.array(z.unknown()).optional().catch(undefined),
  error: z.unknown().optional(),
  code: z.coerce.number().int().optional().catch(undefined),
  created_at: z.string().optional().catch(undefined),
  timings: z.looseObject({ inference: z.number().nonnegative() }).optional().catch(undefined),
  executionTime: z.number().nonnegative().optional().catch(undefined),
  input: z.record(z.string(), z.unknown()).optional().catch(undefined),
  inputs: z.record(z.string(), z.unknown()).optional().catch(undefined),
});

/** True when the task will change no more. An unknown status is not an end. */
export function ended(prediction: Prediction): boolean {
  return finalStatuses.has(prediction.status);
}

/** Reads the body of a callback: a bare prediction, without the envelope of the other answers. */
export function parsePrediction(bytes: Uint8Array): ParsedPrediction {
  if (bytes.byteLength > maxAnswerBytes) return { kind: "malformed", reason: "too_large" };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { kind: "malformed", reason: "not_utf8" };
  }
  const json = parseJson(text);
  if (json === undefined) return { kind: "malformed", reason: "not_json" };
  const prediction = readPrediction(json);
  if (prediction === null) return { kind: "malformed", reason: "not_a_prediction" };
  return { kind: "prediction", prediction };
}

/** Undefined for a text that is no JSON; the error is dropped since it would quote the text. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function readPrediction(value: unknown): Prediction | null {
  const read = RawPrediction.safeParse(value);
  if (!read.success) return null;
  const raw = read.data;
  const input = raw.input ?? raw.inputs;
  return {
    id: raw.id,
    model: raw.model,
    status: readStatus(raw.status),
    rawStatus: raw.status.slice(0, maxStatusLength),
    ...readOutputs(raw.outputs, raw.has_nsfw_contents),
    error: readError(raw.error),
    errorCode: raw.code ? raw.code : null,
    createdAt: readTime(raw.created_at),
    inferenceMs: raw.timings?.inference ?? raw.executionTime ?? null,
    ...(input === undefined ? {} : { input }),
  };
}

function readStatus(word: string): PredictionStatus {
  const lower = word.trim().toLowerCase();
  return predictionStatuses.find((status) => status === lower) ?? otherWords[lower] ?? "unknown_status";
}

function readOutputs(
  entries: unknown[],
  flags: unknown[] | undefined,
): Pick<Prediction, "outputs" | "otherOutputs" | "flagged"> {
  const outputs: string[] = [];
  const otherOutputs: unknown[] = [];
  const flagged: boolean[] = [];
  for (const [index, entry] of entries.entries()) {
    const url = readUrl(entry);
    if (url === null) {
      otherOutputs.push(entry);
      continue;
    }
    outputs.push(url);
    if (flags !== undefined) flagged.push(flags[index] === true);
  }
  return { outputs, otherOutputs, flagged };
}

function readUrl(entry: unknown): string | null {
  const text = typeof entry === "object" && entry !== null && "url" in entry ? entry.url : entry;
  return typeof text === "string" && /^https?:\/\//i.test(text) && URL.canParse(text) ? text : null;
}

function readError(error: unknown): string | null {
  if (error === undefined || error === null || error === "") return null;
  if (typeof error === "string") return error.slice(0, maxErrorLength);
  try {
    return JSON.stringify(error).slice(0, maxErrorLength);
  } catch {
    // Read without recursion, written with it: nested deeper than the stack.
    return null;
  }
}

function readTime(text: string | undefined): string | null {
  if (text === undefined || !timeForm.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}
