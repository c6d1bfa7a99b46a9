// A tap: the kernel checks, holds the credits and enqueues; everything slow comes after the answer.

import { hashRequest, type StartAnswer, type StartRequest } from "../contract/mod.ts";
import type { Refusal } from "./kernel.ts";
import type { Backend } from "./ports.ts";

export type Start = { kind: "started" | "replayed"; answer: StartAnswer } | {
  kind: "refused";
  refusal: Refusal;
};

export async function start(
  { kernel, log }: Backend,
  tap: { userId: string; idempotencyKey: string; request: StartRequest; traceId: string },
): Promise<Start> {
  const requestHash = await hashRequest(tap.request);
  const answer = await kernel.start({ ...tap, requestHash });
  if (!answer.ok) {
    log("start_refused", { traceId: tap.traceId, code: answer.error.code });
    return { kind: "refused", refusal: answer };
  }
  const { job, account, queue, replay } = answer;
  log("start", { traceId: job.traceId, jobId: job.id, replay, position: queue.position });
  return { kind: replay ? "replayed" : "started", answer: { job, account, queue } };
}
