// Turns are fair: who comes fresh is claimed within one round, whatever the others have queued.

import fc from "fast-check";
import { expect } from "vitest";
import { openDatabase } from "../database.ts";
import {
  anyBacklog,
  type Backlog,
  type BacklogPlan,
  createBacklog,
  type Places,
  type Step,
} from "./backlog.ts";
import { trial } from "./trial.ts";

const db = await openDatabase();
const maxAttempts = 3;
const claimInOutage = { limit: 5, busy: null };

interface Arrival {
  /** What everybody held of the turns at that moment, the fresh user included. */
  places: Places[];
  /** Jobs of others, in the order in which claims that did not skip the fresh user took them before the fresh one. */
  before: string[];
}

/** Plays the plan; a fresh user comes in the middle of it and waits for the first job to be claimed. */
async function play(plan: BacklogPlan): Promise<Arrival> {
  const backlog = await createBacklog(db, plan);
  for (const step of plan.before) {
    await take(backlog, step);
    await expectFewPlaces(backlog);
  }
  const fresh = await backlog.arrive();
  const places = await backlog.places();
  const before: string[] = [];
  for (const step of plan.after) {
    if (await isClaimed(step)) return { places, before };
  }
  // The plan is over: claims alone, and ends where no slot is free.
  const jobs = sum(plan.users, (user) => user.jobs) + plan.before.length + plan.after.length;
  for (let claims = 0; claims < jobs * maxAttempts; claims++) {
    if (await isClaimed({ step: "claim", limit: 1, busy: null })) return { places, before };
    await backlog.end(0);
  }
  throw new Error("the fresh user was never claimed");

  async function isClaimed(step: Step): Promise<boolean> {
    if (step.step !== "claim" && step.step !== "outage") {
      await take(backlog, step);
      return false;
    }
    const { limit, busy } = step.step === "claim" ? step : claimInOutage;
    const busyUserId = busy === null ? undefined : [fresh.userId, ...backlog.userIds][busy];
    const { claims, skippedUserIds } = await backlog.claim(limit, busyUserId);
    if (step.step === "outage") await backlog.outage();
    if (skippedUserIds.includes(fresh.userId)) return false;
    const turn = claims.findIndex(({ jobId }) => jobId === fresh.jobId);
    before.push(...(turn < 0 ? claims : claims.slice(0, turn)).map(({ jobId }) => jobId));
    return turn >= 0;
  }
}

async function take(backlog: Backlog, step: Step): Promise<void> {
  if (step.step === "claim") {
    await backlog.claim(step.limit, step.busy === null ? undefined : backlog.userIds[step.busy]);
  } else if (step.step === "start") await backlog.start(step.user);
  else if (step.step === "outage") {
    await backlog.claim(claimInOutage.limit);
    await backlog.outage();
  } else if (step.step === "wait") await backlog.wait(step.seconds);
  else await backlog[step.step](step.pick);
}

/** A cap of places is ready or running, and a cap of those that wait out a delay is kept. */
async function expectFewPlaces(backlog: Backlog): Promise<void> {
  for (const { cap, ready, mayReturn } of await backlog.places()) {
    expect(ready + mayReturn).toBeLessThanOrEqual(2 * cap);
  }
}

function sum<Item>(items: Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

let mostWaited = 0;
trial(
  "without requeues a fresh user of the same class is claimed within one round: each other user's ready jobs, up to the cap",
  12,
  () =>
    fc.asyncProperty(anyBacklog(["claim", "end", "start"]), async (plan) => {
      const { places, before } = await play(plan);
      const round = sum(places, ({ cap, ready }) => Math.min(cap, ready));
      expect(before.length + 1).toBeLessThanOrEqual(round);
      mostWaited = Math.max(mostWaited, before.length);
    }),
  () => expect(mostWaited).toBeGreaterThan(3),
);

let returned = 0;
trial(
  "with requeues only places taken before a fresh user came are claimed first: each of them once an attempt, and no more than two caps of them a user",
  12,
  () =>
    fc.asyncProperty(anyBacklog(["claim", "end", "fail", "outage", "start", "wait"]), async (plan) => {
      const { places, before } = await play(plan);
      const old = sum(places, ({ ready, mayReturn }) => ready + mayReturn) - 1;
      expect(new Set(before).size).toBeLessThanOrEqual(old);
      expect(before.length).toBeLessThanOrEqual(old * maxAttempts);
      if (before.length >= sum(places, ({ cap, ready }) => Math.min(cap, ready))) returned++;
    }),
  () => expect(returned).toBeGreaterThan(0),
);
