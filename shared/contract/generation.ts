// Jobs and pictures as they cross the wire: the same shape in answers and in pushed messages.

import * as z from "zod";

export const generationStatuses = [
  "queued",
  "submitting",
  "unknown",
  "processing",
  "persisting",
  "completed",
  "failed",
  "canceled",
] as const;
export type GenerationStatus = typeof generationStatuses[number];

export const terminalStatuses: ReadonlySet<GenerationStatus> = new Set(["completed", "failed", "canceled"]);

/** True when the job will change no more, apart from the closing of its hold. */
export function hasEnded(job: { status: GenerationStatus }): boolean {
  return terminalStatuses.has(job.status);
}

/** ISO 8601 with an offset. */
const Timestamp = z.iso.datetime({ offset: true });

export const GenerationJob = z.object({
  id: z.uuid(),
  status: z.enum(generationStatuses),
  modelId: z.string(),
  aspectRatio: z.string(),
  numImages: z.number().int().positive(),
  /** The seed that was asked for; null where the choice was left open. */
  seed: z.number().int().nullable(),
  /** Attempts burnt so far. */
  attempts: z.number().int().nonnegative(),
  /** A code of `jobErrors`, or a later one that this version does not know; null unless failed. */
  errorCode: z.string().nullable(),
  retryable: z.boolean(),
  creditsHeld: z.number().int().nonnegative(),
  /** What the job cost; null while its hold is open. */
  creditsCaptured: z.number().int().nonnegative().nullable(),
  retryOf: z.uuid().nullable(),
  traceId: z.string(),
  /** Number of the change in the user's feed: the higher one is newer. */
  seq: z.number().int().nonnegative(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  submittingAt: Timestamp.nullable(),
  processingAt: Timestamp.nullable(),
  persistingAt: Timestamp.nullable(),
  endedAt: Timestamp.nullable(),
});
export type GenerationJob = z.infer<typeof GenerationJob>;

export const GenerationImage = z.object({
  id: z.uuid(),
  jobId: z.uuid(),
  index: z.number().int().nonnegative(),
  /** Object name in the bucket `generations`; also the picture's cache key, since signed URLs change. */
  path: z.string(),
  thumbPath: z.string().nullable(),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  bytes: z.number().int().positive(),
  /** Lower-case hex, of the stored bytes. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  contentType: z.string(),
  thumbhash: z.string().nullable(),
  flagged: z.boolean(),
  favorite: z.boolean(),
  createdAt: Timestamp,
  deletedAt: Timestamp.nullable(),
  seq: z.number().int().nonnegative(),
});
export type GenerationImage = z.infer<typeof GenerationImage>;
