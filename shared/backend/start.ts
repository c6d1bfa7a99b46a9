// A tap: the kernel checks, holds the credits and enqueues; everything slow comes after the answer.

import { hashRequest, type StartAnswer, type StartRequest } from "../contract/mod.ts";
import type { Refusal } from "./kernel.ts";
import type { Line } from "./log.ts";
import type { Backend } from "./ports.ts";

export type Start = { kind: "started" | "replayed"; answer: StartAnswer } | {
  kind: "refused";
  refusal: Refusal;
};

export async function start(
  { kernel }: Backend,
  tap: { userId: string; idempotencyKey: string; request: StartRequest; traceId: string },
  line: Line,
): Promise<Start> {
  const requestHash = await hashRequest(tap.request);
  const answer = await kernel.start({ ...tap, requestHash });
  if (!answer.ok) {
    line.add({ outcome: "refused" });
    return { kind: "refused", refusal: answer };
  }
  const { job, account, queue, replay } = answer;
  line.add({
    trace_id: job.traceId,
    job_id: job.id,
    job_status: job.status,
    outcome: replay ? "replayed" : "started",
    queue_position: queue.position,
  });
  return { kind: replay ? "replayed" : "started", answer: { job, account, queue } };
}
