// What happened to a job, as apps read it.

import * as z from "zod";
import { generationStatuses } from "./generation.ts";

export const LogEntry = z.object({
  id: z.number().int(),
  jobId: z.uuid(),
  /** ISO 8601 with an offset. */
  at: z.string(),
  /** What happened: a word of the backend's, which may be a later one than this version knows. */
  event: z.string(),
  /** The job's state from then on. */
  status: z.enum(generationStatuses),
  /** The attempt that it happened to, from 1; null where it was none's. */
  attempt: z.number().int().nullable(),
  /** Facts beside it; never the words of the prompt. */
  detail: z.record(z.string(), z.unknown()),
});
export type LogEntry = z.infer<typeof LogEntry>;
