// What the local functions' workers may use in the flow tests: as on hosted, unless the environment asks for the harshest.

import type { WorkerLimits } from "../../supabase/local/functions/mod.ts";

/** GENFLOW_WORKER_POLICY=oneshot: each worker ends after its answer, so that only registered work outlives one. */
export function workerLimits(): Partial<WorkerLimits> {
  const policy = process.env["GENFLOW_WORKER_POLICY"] ?? "per_worker";
  if (policy !== "per_worker" && policy !== "oneshot") {
    throw new Error(`GENFLOW_WORKER_POLICY is per_worker or oneshot, not ${policy}`);
  }
  return { workerPolicy: policy };
}
