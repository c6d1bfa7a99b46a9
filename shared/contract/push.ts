// The message that a user's private topic carries: one a transaction.

import * as z from "zod";
import { GenerationImage, GenerationJob } from "./generation.ts";

/** Broadcast event of every change. */
export const changeEvent = "change";

/** The private topic that only `userId` may join. */
export function changeTopic(userId: string): string {
  return `generations:${userId}`;
}

export const ChangeMessage = z.object({
  /** Numbered without gaps per user: a jump means that a message was missed and the rows must be read again. */
  seq: z.number().int().positive(),
  /** Every job and picture that changed under this number, as it is after the change. */
  jobs: z.array(GenerationJob),
  images: z.array(GenerationImage),
  account: z.object({ balance: z.number().int(), seq: z.number().int() }),
});
export type ChangeMessage = z.infer<typeof ChangeMessage>;
