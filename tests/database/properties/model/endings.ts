// The model's endings: how jobs end, attempts close and holds with them.

import { type Attempt, attemptsOf, chance, isOpen, type Job, type Model, seconds } from "./state.ts";
import { keepsPlace, promote } from "./turns.ts";

/** Closes the hold with what the job costs. */
export function capture(model: Model, job: Job, credits: number): void {
  job.captured = credits;
  job.released = job.price * job.images - credits;
  model.users.get(job.userId)!.balance += job.released;
}

export function endJob(
  model: Model,
  job: Job,
  status: "completed" | "failed",
  captured: number,
  error: string | null,
): void {
  Object.assign(job, { status, error, isReady: false, notBefore: null });
  capture(model, job, captured);
  promote(model, job.userId);
}

/** A canceled job's hold closes with its last attempt: what was delivered is charged, up to what was asked. */
export function closeHoldOfCanceled(model: Model, job: Job): void {
  const attempts = attemptsOf(model, job.id);
  if (job.status !== "canceled" || job.captured !== null || attempts.some(isOpen)) return;
  const delivered = attempts.filter(({ closed }) => closed === "delivered").map(({ outputs }) => outputs);
  capture(model, job, job.price * Math.min(job.images, Math.max(0, ...delivered)));
}

export function closeAttempt(model: Model, attempt: Attempt, how: string): void {
  if (attempt.closed !== null) return;
  attempt.closed = how;
  closeHoldOfCanceled(model, model.jobs.get(attempt.jobId)!);
}

/** What is known of a failure: does it end the job with this code, else is it tried again, and what does it cost? */
const failures: Record<string, { ends?: string; burns?: string; pauseSeconds?: number }> = {
  moderation: { ends: "moderated" },
  bad_input: { ends: "input_rejected" },
  task_failed: { ends: "provider_failed" },
  abandoned: { ends: "provider_failed" },
  rate_limited: { pauseSeconds: 60 },
  no_credits: { pauseSeconds: 300 },
  not_sent: { burns: "provider_down" },
  provider_error: { burns: "provider_failed" },
  timeout: { burns: "processing_timeout" },
  no_outputs: { burns: "no_outputs" },
  interrupted: { burns: "interrupted" },
};

export function backoffSeconds(tries: number): number {
  return chance * Math.min(seconds.backoffMax, seconds.backoffBase * 2 ** tries);
}

export function fail(model: Model, attempt: Attempt, how: string, failure: string): void {
  const rule = failures[failure]!;
  const job = model.jobs.get(attempt.jobId)!;
  closeAttempt(model, attempt, how);
  if (job.attemptId === attempt.id && ["submitting", "unknown", "processing"].includes(job.status)) {
    const delaySeconds = rule.pauseSeconds ? chance * rule.pauseSeconds : backoffSeconds(job.burnt);
    if (rule.ends ?? rule.burns) job.burnt++;
    if (rule.ends) endJob(model, job, "failed", 0, rule.ends);
    else if (rule.burns && job.burnt >= model.settings.maxAttempts) {
      endJob(model, job, "failed", 0, rule.burns);
    } else requeue(model, job, delaySeconds);
  }
  promote(model, job.userId);
  if (rule.pauseSeconds) {
    model.provider.pausedUntil = Math.max(model.provider.pausedUntil, model.now + rule.pauseSeconds);
  }
}

function requeue(model: Model, job: Job, delaySeconds: number): void {
  if (!keepsPlace(model, job.userId)) job.place = null;
  Object.assign(job, { status: "queued", attemptId: null, notBefore: model.now + delaySeconds });
}

/** At the sweep: who waited too long, in the order in which the sweep takes them. */
export function expire(model: Model, job: Job): void {
  const { now } = model;
  if (job.status === "queued" && job.createdAt + seconds.queue <= now) {
    endJob(model, job, "failed", 0, "queue_expired");
  } else if (job.status === "processing" && job.processingAt + seconds.processing <= now) {
    endJob(model, job, "failed", 0, "processing_timeout");
  } else if (job.status === "persisting" && job.persistingAt + seconds.persisting <= now) finish(model, job);
}

/** Storing is over: charged for what was stored. */
export function finish(model: Model, job: Job): void {
  for (const attempt of attemptsOf(model, job.id)) attempt.nextPersistAt = null;
  if (job.stored.size > 0) endJob(model, job, "completed", job.price * job.stored.size, null);
  else {
    const isLate = job.persistingAt + seconds.persisting <= model.now;
    endJob(model, job, "failed", 0, isLate ? "storage_timeout" : "outputs_unusable");
  }
}
