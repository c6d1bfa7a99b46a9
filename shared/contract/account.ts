// rpc("my_account"): what the caller has and may do.

import * as z from "zod";

export const Account = z.object({
  /** Credits at hand. */
  balance: z.number().int(),
  /** Every change up to this one can be read. */
  seq: z.number().int().nonnegative(),
  /** Jobs that hold one of the `runningCap` slots. */
  running: z.number().int().nonnegative(),
  runningCap: z.number().int().nonnegative(),
  /** Jobs that have not ended; counted to a hundred at least. */
  pending: z.number().int().nonnegative(),
  pendingCap: z.number().int().nonnegative(),
});
export type Account = z.infer<typeof Account>;
