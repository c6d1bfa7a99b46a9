// The kernel's functions as the model answers them: each changes the model and says what the kernel must answer.

import { type Attempt, attemptsOf, hasEnded, isOpen, type Job, jobsOf, type Model } from "./state.ts";
import { seconds, signUpCredits, tokensNow, type User } from "./state.ts";
import { closeAttempt, closeHoldOfCanceled, fail } from "./endings.ts";
import { promote } from "./turns.ts";

export interface Asked {
  userId: string;
  key: string;
  modelId: string;
  images: number;
}
export type Started =
  | { ok: true; replay: boolean; price: number }
  | { ok: false; code: string; balance?: number; price?: number };

/** Whether the start is taken; `begin` adds its job once its id is known. */
export function start(model: Model, asked: Asked): Started {
  const user = model.users.get(asked.userId)!;
  const price = model.prices.get(asked.modelId)! * asked.images;
  if (jobsOf(model, user.id).some(({ key }) => key === asked.key)) return { ok: true, replay: true, price };
  if (user.isConfirmed && !user.isGranted) {
    user.isGranted = true;
    user.balance += signUpCredits;
  }
  const { settings, now } = model;
  const pending = jobsOf(model, user.id).filter((job) => !hasEnded(job)).length;
  const tokens = tokensNow(user.tokens, settings.userStartBurst, now);
  if (settings.isIntakePaused) return { ok: false, code: "intake_paused" };
  if (tokens < 1) return { ok: false, code: "rate_limited" };
  if (pending >= (user.pendingCap ?? settings.userPendingCap)) return { ok: false, code: "too_many_pending" };
  if (user.balance < price) return { ok: false, code: "insufficient_credits", balance: user.balance, price };
  user.balance -= price;
  user.tokens = { left: tokens - 1, seconds: now };
  return { ok: true, replay: false, price };
}

export function begin(model: Model, jobId: string, { userId, key, modelId, images }: Asked): void {
  model.jobs.set(jobId, {
    id: jobId,
    userId,
    key,
    age: model.jobs.size,
    modelId,
    images,
    price: model.prices.get(modelId)!,
    status: "queued",
    burnt: 0,
    error: null,
    released: null,
    captured: null,
    notBefore: null,
    isReady: false,
    place: null,
    attemptId: null,
    createdAt: model.now,
    processingAt: 0,
    persistingAt: 0,
    stored: new Map(),
  });
  promote(model, userId);
}

export function grant(user: User, credits: number, reference: string): { replay: boolean } {
  const replay = user.references.has(reference);
  if (!replay) user.balance += credits;
  user.references.add(reference);
  return { replay };
}

export function send(model: Model, attempt: Attempt, sendId: string): { go: boolean } {
  const job = model.jobs.get(attempt.jobId)!;
  const go = (attempt.sendId === null || attempt.sendId === sendId) && attempt.leaseEndsAt > model.now &&
    isOpen(attempt) && job.attemptId === attempt.id && job.status === "submitting";
  if (go && attempt.sendId === null) {
    Object.assign(attempt, { sendId, sentAt: model.now, leaseEndsAt: model.now + seconds.submitLease });
  }
  return { go };
}

/** `as`: accepted, unknown, or the class of a rejection. */
export function submit(
  model: Model,
  attempt: Attempt,
  sendId: string,
  as: string,
): { recorded: boolean; tellTaskIds: [] } {
  // Nothing is told here: the setting stays off.
  if (attempt.sendId !== sendId) return { recorded: false, tellTaskIds: [] };
  const job = model.jobs.get(attempt.jobId)!;
  if (as === "accepted") attach(model, attempt);
  else if (as !== "unknown" && (attempt.submission === null || attempt.submission === "lost")) {
    attempt.submission = "rejected";
    fail(model, attempt, "rejected", as);
  } else if (as === "unknown" && attempt.submission === null) {
    attempt.submission = "unknown";
    if (job.attemptId === attempt.id && job.status === "submitting") job.status = "unknown";
  }
  return { recorded: true, tellTaskIds: [] };
}

/** The provider has the task: the attempt is open (again) if its time is not over, and a job that waits follows it. */
function attach(model: Model, attempt: Attempt): void {
  if (attempt.taskId !== null) return;
  const job = model.jobs.get(attempt.jobId)!;
  Object.assign(attempt, { taskId: `task-${attempt.id}`, submission: "accepted" });
  if (!isOpen(attempt) && model.now >= attempt.sentAt + seconds.ageWithTask) return;
  attempt.closed = null;
  const follower = model.attempts.get(job.attemptId ?? "");
  const isUnsent = job.status === "submitting" && follower !== undefined && follower !== attempt &&
    follower.sendId === null;
  if (isUnsent) closeAttempt(model, follower, "never_sent");
  const isAwaited = ["submitting", "unknown"].includes(job.status) && follower === attempt;
  if (job.status === "queued" || isUnsent || isAwaited) {
    Object.assign(job, { status: "processing", processingAt: model.now, attemptId: attempt.id });
    Object.assign(job, { isReady: false, notBefore: null });
  }
}

/** `outputs` counts those of a completed task; a failure has a class. */
export function settle(
  model: Model,
  attempt: Attempt,
  isNamed: boolean,
  result: { status: string; outputs: number; class: string | null },
): { next: string } {
  const job = model.jobs.get(attempt.jobId)!;
  if (attempt.taskId === null) {
    if (!isNamed || attempt.sendId === null) return { next: "unknown_task" };
    attach(model, attempt);
  }
  if (!attempt.hasResult && ["completed", "failed", "timeout"].includes(result.status)) {
    attempt.hasResult = true;
    if (result.status === "completed" && result.outputs > 0) deliver(model, attempt, result.outputs);
    else {
      const failure = result.status === "completed" ? "no_outputs" : result.class ?? "task_failed";
      if (attempt.closed !== null) attempt.closed = "failed";
      fail(model, attempt, "failed", failure);
    }
  }
  if (job.status === "persisting" && job.attemptId === attempt.id) return { next: "persist" };
  return { next: !attempt.hasResult && isOpen(attempt) ? "wait" : "none" };
}

function deliver(model: Model, attempt: Attempt, outputs: number): void {
  const job = model.jobs.get(attempt.jobId)!;
  const wasOpen = isOpen(attempt);
  Object.assign(attempt, { outputs, closed: "delivered" });
  if (["queued", "submitting", "unknown", "processing"].includes(job.status)) {
    Object.assign(job, { status: "persisting", persistingAt: model.now, attemptId: attempt.id });
    Object.assign(job, { isReady: false, notBefore: null });
    attempt.nextPersistAt = model.now;
  } else if (wasOpen) {
    closeHoldOfCanceled(model, job);
    promote(model, job.userId);
  }
}

export function cancel(model: Model, job: Job): { outcome: string; refund: string } {
  if (["queued", "submitting", "unknown", "processing"].includes(job.status)) {
    Object.assign(job, { status: "canceled", isReady: false, notBefore: null });
    for (const attempt of attemptsOf(model, job.id)) {
      if (attempt.sendId === null) closeAttempt(model, attempt, "never_sent");
    }
    closeHoldOfCanceled(model, job);
    promote(model, job.userId);
  }
  const outcome = job.status === "canceled"
    ? "canceled"
    : job.status === "persisting"
    ? "too_late"
    : "already_ended";
  const isPending = job.status === "canceled" && job.captured === null;
  return { outcome, refund: (job.released ?? 0) > 0 ? "released" : isPending ? "pending" : "none" };
}
