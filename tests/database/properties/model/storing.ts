// The model's leases on storing, stored pictures and completion.

import { backoffSeconds, finish } from "./endings.ts";
import { type Attempt, type Job, type Model, seconds } from "./state.ts";

/** The indexes that a lease is for, or none if storing is not due. */
export function leased(model: Model, attempt: Attempt): number[] | null {
  const job = model.jobs.get(attempt.jobId)!;
  const isDue = attempt.nextPersistAt !== null && attempt.nextPersistAt <= model.now;
  if (!isDue || job.status !== "persisting" || job.attemptId !== attempt.id) return null;
  attempt.persists++;
  attempt.nextPersistAt = model.now + seconds.persistLease;
  return missing(job, attempt);
}

const missing = (job: Job, attempt: Attempt) =>
  Array.from({ length: Math.min(job.images, attempt.outputs) }, (_, index) => index)
    .filter((index) => !job.stored.has(index));

export function store(job: Job, leaseToken: string, index: number): { recorded: boolean } {
  if (!job.stored.has(index) && job.status === "persisting") job.stored.set(index, leaseToken);
  return { recorded: job.stored.get(index) === leaseToken };
}

export function complete(
  model: Model,
  attempt: Attempt,
  leaseToken: string,
  isPermanent: boolean,
): { status: string } {
  const job = model.jobs.get(attempt.jobId)!;
  if (job.status === "persisting" && job.attemptId === attempt.id) {
    const isHeld = attempt.persistLease === leaseToken;
    if (missing(job, attempt).length === 0 || (isHeld && isPermanent)) finish(model, job);
    else if (isHeld) {
      attempt.persistLease = null;
      attempt.nextPersistAt = model.now + backoffSeconds(attempt.persists);
    }
  }
  return { status: job.status };
}
