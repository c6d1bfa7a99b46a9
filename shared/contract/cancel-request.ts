// POST cancel: what is asked. Apart from the answer, since an app's bundle needs only that.

import * as z from "zod";

export const CancelRequest = z.strictObject({ jobId: z.uuid() });
export type CancelRequest = z.infer<typeof CancelRequest>;
