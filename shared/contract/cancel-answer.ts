// POST cancel: what is asked and what is answered.

import * as z from "zod";
import { GenerationJob } from "./generation.ts";

export const CancelAnswer = z.object({
  job: GenerationJob,
  /** too_late: the picture is made and paid, and comes. already_ended: there was nothing left to cancel. */
  outcome: z.enum(["canceled", "too_late", "already_ended"]),
  /** pending: the provider may still deliver; the credits come back, or are spent, once that is known. */
  refund: z.enum(["released", "pending", "none"]),
  /** Whether the provider took our word to stop; false also where it is not told by setting. */
  providerTold: z.boolean(),
});
export type CancelAnswer = z.infer<typeof CancelAnswer>;
