// The model's slots and turns.

import {
  attemptsOf,
  byText,
  hasEnded,
  isOpen,
  isRunning,
  type Job,
  jobsOf,
  type Model,
  tokensNow,
} from "./state.ts";
import { seconds } from "./state.ts";

export function runningCap(model: Model, userId: string): number {
  return model.users.get(userId)!.runningCap ?? model.settings.userRunningCap;
}

/** Running jobs, and attempts still open for ended ones. */
export function occupied(model: Model, userId: string): number {
  const jobs = jobsOf(model, userId);
  return jobs.filter(isRunning).length +
    jobs.filter(hasEnded).flatMap((job) => attemptsOf(model, job.id)).filter(isOpen).length;
}

const byPlace = (one: Job, other: Job) =>
  one.place!.seconds - other.place!.seconds || one.place!.turn - other.place!.turn;

/** Ready jobs in the order of their turns. */
export function readyJobs(model: Model): Job[] {
  return [...model.jobs.values()].filter((job) => job.isReady)
    .sort((one, other) => byPlace(one, other) || byText(one.id, other.id));
}

/** Jobs that kept a place first, then by age: as many become ready as there are free slots. */
export function promote(model: Model, userId: string): void {
  const jobs = jobsOf(model, userId).filter((job) => job.status === "queued");
  let free = runningCap(model, userId) - occupied(model, userId) - jobs.filter((job) => job.isReady).length;
  const isDue = (job: Job) => !job.isReady && (job.notBefore === null || job.notBefore <= model.now);
  if (free === 0) {
    // Who comes back to an earlier place takes the slot of the last of those that are later.
    for (const back of jobs.filter((job) => isDue(job) && job.place !== null).sort(byPlace)) {
      const last = readyJobs(model).findLast((job) => job.userId === userId);
      if (last === undefined || byPlace(last, back) <= 0) break;
      last.isReady = false;
      free++;
    }
  }
  const due = jobs.filter(isDue);
  due.sort((one, other) =>
    one.place && other.place
      ? byPlace(one, other) || one.age - other.age
      : Number(one.place === null) - Number(other.place === null) || one.age - other.age
  );
  const place = { seconds: model.now - model.users.get(userId)!.headStartSeconds, turn: ++model.turns };
  for (const job of due.slice(0, Math.max(0, free))) {
    job.isReady = true;
    job.place ??= place;
  }
}

/** No more of a user's delayed jobs than the cap may come back to an old place. */
export function keepsPlace(model: Model, userId: string): boolean {
  const kept = jobsOf(model, userId).filter((job) =>
    job.status === "queued" && !job.isReady && job.place !== null
  );
  return kept.length < runningCap(model, userId);
}

/** The last of those ready beyond the cap wait; their places are kept as far as there are slots. */
function demote(model: Model, userId: string): void {
  const ready = readyJobs(model).filter((job) => job.userId === userId);
  const over = occupied(model, userId) + ready.length - runningCap(model, userId);
  const last = ready.slice(ready.length - Math.max(0, over));
  for (const job of last) job.isReady = false;
  const others = jobsOf(model, userId).filter((job) =>
    job.status === "queued" && job.place !== null && !last.includes(job)
  );
  for (const job of last.slice(Math.max(0, runningCap(model, userId) - others.length))) job.place = null;
}

export interface Claimed {
  id: string;
  leaseToken: string;
  jobId: string;
}

/** Which jobs a claim takes now, in order. What it took is added by `beginAttempt`, for ids are the kernel's to draw. */
export function claimed(model: Model, limit: number): Job[] {
  const { provider, now } = model;
  if (provider.pausedUntil > now) return [];
  const open = [...model.attempts.values()].filter(isOpen).length;
  const tokens = Math.floor(tokensNow(provider.tokens, provider.startBurst, now));
  const slots = Math.min(limit, tokens, provider.runningCap - open);
  const taken: Job[] = [];
  if (slots <= 0) return taken;
  for (const job of readyJobs(model)) {
    if (taken.length >= slots) break;
    if (!job.isReady || attemptsOf(model, job.id).some(isOpen)) continue;
    demote(model, job.userId);
    if (!job.isReady) continue;
    Object.assign(job, { status: "submitting", isReady: false, notBefore: null });
    taken.push(job);
  }
  if (taken.length > 0) {
    const left = tokensNow(provider.tokens, provider.startBurst, now) - taken.length;
    provider.tokens = { left, seconds: now };
  }
  return taken;
}

export function beginAttempt(model: Model, { id, leaseToken, jobId }: Claimed): void {
  const job = model.jobs.get(jobId)!;
  job.attemptId = id;
  model.attempts.set(id, {
    id,
    jobId,
    leaseToken,
    leaseEndsAt: model.now + seconds.claimLease,
    sendId: null,
    sentAt: 0,
    taskId: null,
    submission: null,
    hasResult: false,
    outputs: 0,
    closed: null,
    persists: 0,
    persistLease: null,
    nextPersistAt: null,
  });
}
