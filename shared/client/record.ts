// One generation as the app sees it, from the tap on.

import * as z from "zod";
import { GenerationImage, GenerationJob, hasEnded, Queue, StartRequest } from "../contract/mod.ts";
import type { ErrorFacts } from "./error.ts";

/**
 * sending: on its way to the backend.
 * unsent: no answer was heard, and none is being waited for; it is sent again with the same key.
 * refused: the backend, or the check before it, said no; see `error`.
 * accepted: the backend has it; see `job`.
 */
export type RecordPhase = "sending" | "unsent" | "refused" | "accepted";

export interface GenerationRecord {
  /** The tap's idempotency key: the same before and after the backend knows of it, on every device. */
  readonly key: string;
  readonly phase: RecordPhase;
  /** What was asked; null for what another device asked. */
  readonly request: StartRequest | null;
  readonly draftId: string | null;
  /** Null unless accepted; after a relaunch, until it was read. */
  readonly job: GenerationJob | null;
  /** Those stored so far and not deleted, by index. */
  readonly images: readonly GenerationImage[];
  /** Where the job stood, and when that was; null where nobody has asked. */
  readonly queue: (Queue & { readonly atMs: number }) | null;
  /** Why it was refused, or not sent. */
  readonly error: ErrorFacts | null;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** What is kept of a tap until its job has ended. */
export const StoredRequest = z.object({
  key: z.uuid(),
  draftId: z.string().nullable(),
  request: StartRequest,
  phase: z.enum(["sending", "unsent", "refused", "accepted"]),
  error: z.record(z.string(), z.unknown()).nullable(),
  tappedAt: z.string(),
  /** Milliseconds since the epoch of its last try: another tab may be at it. */
  triedAtMs: z.number(),
});
export type StoredRequest = z.infer<typeof StoredRequest>;

export interface KnownJob {
  key: string;
  job: GenerationJob;
  images: ReadonlyMap<string, GenerationImage>;
  queue: GenerationRecord["queue"];
}

export function recordOf(request: StoredRequest | null, known: KnownJob | null): GenerationRecord {
  const one = request ?? known;
  if (one === null) throw new TypeError("a record is of a request or of a job");
  return {
    key: one.key,
    phase: known ? "accepted" : request!.phase,
    request: request?.request ?? null,
    draftId: request?.draftId ?? null,
    job: known?.job ?? null,
    images: [...known?.images.values() ?? []].filter((image) => image.deletedAt === null)
      .sort((a, b) => a.index - b.index),
    queue: known && !hasEnded(known.job) ? known.queue : null,
    error: known ? null : request!.error as ErrorFacts | null,
    createdAt: known?.job.createdAt ?? request!.tappedAt,
  };
}

/** True as long as something is still to come: an answer, or the job's end. */
export function isLive({ phase, job }: GenerationRecord): boolean {
  return phase === "accepted" ? job === null || !hasEnded(job) : phase !== "refused";
}
