// POST start-generation: what is answered, and the header that makes one tap one job.

import * as z from "zod";
import { GenerationJob } from "./generation.ts";
import { Hold } from "./hold.ts";

export const idempotencyKeyHeader = "idempotency-key";

/** Where a job stands, as of now: in start's answer, and again from `rpc("queue_position", { p_job_id })`. */
export const Queue = z.object({
  /** Jobs ahead. */
  position: z.number().int().nonnegative(),
  /** False: the position is a lower bound. */
  exact: z.boolean(),
  /** Rough seconds until the picture is made. */
  etaSeconds: z.number().int().nonnegative(),
  /** Why nothing is claimed at the moment and until when; null when only the queue is in the way, or the job runs. */
  hold: Hold.nullable(),
});
export type Queue = z.infer<typeof Queue>;

/** 202 for a new job, 200 for the same key again: then everything is as of now. */
export const StartAnswer = z.object({
  job: GenerationJob,
  account: z.object({ balance: z.number().int(), seq: z.number().int().nonnegative() }),
  queue: Queue,
});
export type StartAnswer = z.infer<typeof StartAnswer>;
