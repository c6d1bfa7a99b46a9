// A cancel: the kernel ends the job at once; the provider is told only where the setting says so.

import type { CancelAnswer } from "../contract/mod.ts";
import type { Refusal } from "./kernel.ts";
import type { Line } from "./log.ts";
import type { Backend } from "./ports.ts";
import { tellProvider } from "./tell.ts";

export type Cancel = { kind: "answered"; answer: CancelAnswer } | { kind: "refused"; refusal: Refusal };

export async function cancel(
  backend: Backend,
  userId: string,
  jobId: string,
  line: Line,
): Promise<Cancel> {
  line.add({ job_id: jobId });
  const canceled = await backend.kernel.cancel(userId, jobId);
  if (!canceled.ok) {
    line.add({ outcome: "refused" });
    return { kind: "refused", refusal: canceled };
  }
  const { job, outcome, refund, tellTaskIds } = canceled;
  // Best effort: the job has ended whatever the provider answers.
  const providerTold = await tellProvider(backend, tellTaskIds, line);
  line.add({ trace_id: job.traceId, job_status: job.status, outcome, refund, provider_told: providerTold });
  return { kind: "answered", answer: { job, outcome, refund, providerTold } };
}
