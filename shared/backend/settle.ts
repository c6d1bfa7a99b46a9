// A result from callback or poll: the kernel decides, then the picture is stored and freed slots are used.

import { failureClass, type Prediction } from "../wavespeed/mod.ts";
import { dispatch } from "./dispatch.ts";
import type { Settled } from "./kernel.ts";
import type { Line } from "./log.ts";
import type { Told } from "./log-fields.ts";
import { persistAttempt } from "./persist.ts";
import type { Backend } from "./ports.ts";

/** A dispatch begun by then ends within the shortest wall clock, 150 s. */
const budgetMs = 90_000;

/** `attemptId` ties a task that no attempt knows yet; it is ignored where the task is known. */
export async function settle(
  backend: Backend,
  prediction: Prediction,
  attemptId: string | null,
  line: Line,
): Promise<Settled> {
  const providerClass = failureClass(prediction);
  line.add({ provider_status: prediction.status, provider_class: providerClass });
  const settled = await backend.kernel.settle(prediction.id, attemptId, {
    status: prediction.status,
    // As a URL parser writes them: a NUL or half a surrogate pair in one would fail every settle of this task.
    outputs: prediction.outputs.map((url) => new URL(url).href),
    flagged: prediction.flagged,
    class: providerClass,
  });
  line.add({ ...idsOf(settled), job_status: settled.status, next: settled.next });
  return settled;
}

/** What is left to do after a callback's answer, if anything is. */
export function afterSettling(backend: Backend, settled: Settled): (() => Promise<void>) | null {
  if (settled.next !== "persist" && settled.next !== "none") return null;
  const told = { ...idsOf(settled), next: settled.next };
  return () => backend.log.step("follow_up", told, () => followUp(backend, settled));
}

/** The slow half: hands freed slots on and stores what was delivered. */
export async function followUp(backend: Backend, settled: Settled): Promise<void> {
  if (settled.next !== "persist" && settled.next !== "none") return;
  if (settled.next !== "persist" || settled.attemptId === undefined) {
    await dispatch(backend);
    return;
  }
  const startedMs = backend.now();
  // The settled attempt has freed a slot of the provider's, which does not wait for the picture to be stored; the
  // stored picture frees one of its user's.
  const [, stored] = await Promise.allSettled([
    dispatch(backend),
    persistAttempt(backend, settled.attemptId),
  ]);
  // A first dispatch that failed is told by its own line, and made up for here: but not so late that the isolate could
  // be ended in the middle of a submit.
  if (backend.now() - startedMs < budgetMs) await dispatch(backend);
  if (stored.status === "rejected") throw stored.reason;
}

function idsOf({ traceId, jobId, attemptId }: Settled): Told {
  return { trace_id: traceId, job_id: jobId, attempt_id: attemptId };
}
