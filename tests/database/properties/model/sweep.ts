// The model's sweep: leases, deadlines, unknowns, old attempts, promotions, each for all jobs in the order of their users.

import { endJob, expire, fail } from "./endings.ts";
import { attemptsOf, byText, isOpen, type Job, type Model, seconds } from "./state.ts";
import { promote } from "./turns.ts";

export function sweep(model: Model): void {
  const { now } = model;
  const jobs = () =>
    [...model.jobs.values()].sort((one, other) =>
      byText(one.userId, other.userId) || byText(one.id, other.id)
    );
  const followed = (job: Job) => model.attempts.get(job.attemptId ?? "");
  for (const job of jobs()) {
    const attempt = followed(job);
    if (job.status !== "submitting" || attempt === undefined || attempt.leaseEndsAt > now) continue;
    if (attempt.sendId === null) fail(model, attempt, "never_sent", "interrupted");
    else {
      attempt.submission ??= "lost";
      job.status = "unknown";
    }
  }
  for (const job of jobs()) expire(model, job);
  for (const job of jobs()) {
    if (job.status === "unknown" && followed(job)!.leaseEndsAt + seconds.unknownGrace <= now) {
      endJob(model, job, "failed", 0, "submit_unknown");
    }
  }
  for (const job of jobs()) closeOld(model, job);
  for (const userId of [...model.users.keys()].sort(byText)) promote(model, userId);
}

/** Attempts of which nothing will be heard. */
function closeOld(model: Model, job: Job): void {
  for (const attempt of attemptsOf(model, job.id).filter(isOpen)) {
    const age = attempt.taskId === null ? seconds.ageWithoutTask : seconds.ageWithTask;
    if (attempt.sendId === null && attempt.leaseEndsAt <= model.now) {
      fail(model, attempt, "never_sent", "interrupted");
    } else if (attempt.sendId !== null && attempt.sentAt + age <= model.now) {
      fail(model, attempt, "abandoned", "abandoned");
    }
  }
}
