// Users with more jobs than slots, the claims and ends that go on among them, and the places they hold in the turns.

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import type { Claim } from "../../../shared/backend/kernel.ts";
import type { TestDatabase } from "../database.ts";
import { createScenario } from "../scenario.ts";

/** `end` ends a running job; `fail` lets its attempt fail so that it is tried again; `outage` lets all of
 * them, after a claim of more. */
export type Step =
  | { step: "claim"; limit: number; busy: number | null }
  | { step: "end" | "fail"; pick: number }
  | { step: "outage" }
  | { step: "start"; user: number }
  | { step: "wait"; seconds: number };

export interface BacklogPlan {
  runningCap: number;
  providerCap: number;
  priorityClass: string;
  users: { jobs: number; runningCap: number | null }[];
  before: Step[];
  after: Step[];
}

const small = fc.integer({ min: 1, max: 3 });
const pick = fc.nat({ max: 20 });
const busy: fc.Arbitrary<number | null> = fc.option(fc.nat({ max: 4 }), { freq: 4 });
const steps: Record<Step["step"], fc.WeightedArbitrary<Step>> = {
  claim: {
    weight: 6,
    arbitrary: fc.record({
      step: fc.constant("claim"),
      limit: fc.integer({ min: 1, max: 5 }),
      busy,
    }),
  },
  end: { weight: 3, arbitrary: fc.record({ step: fc.constant("end"), pick }) },
  fail: { weight: 3, arbitrary: fc.record({ step: fc.constant("fail"), pick }) },
  outage: { weight: 4, arbitrary: fc.constant({ step: "outage" }) },
  start: { weight: 2, arbitrary: fc.record({ step: fc.constant("start"), user: fc.nat({ max: 4 }) }) },
  wait: {
    weight: 2,
    arbitrary: fc.record({ step: fc.constant("wait"), seconds: fc.constantFrom(0, 31, 61, 121) }),
  },
};

/** A plan in which only these steps are taken. All users are of one class. */
export function anyBacklog(taken: Step["step"][]): fc.Arbitrary<BacklogPlan> {
  const anySteps = fc.array(fc.oneof(...taken.map((step) => steps[step])), { maxLength: 25, size: "max" });
  return fc.record({
    runningCap: small,
    providerCap: fc.integer({ min: 1, max: 8 }),
    priorityClass: fc.constantFrom("standard", "pro"),
    users: fc.array(
      fc.record({ jobs: fc.integer({ min: 1, max: 12 }), runningCap: fc.option(small, { freq: 3 }) }),
      { minLength: 1, maxLength: 5 },
    ),
    before: anySteps,
    after: anySteps,
  });
}

/** What one user holds of the turns. */
export interface Places {
  userId: string;
  cap: number;
  ready: number;
  /** Occupied, or delayed with an old place to come back to. */
  mayReturn: number;
}

export type Backlog = Awaited<ReturnType<typeof createBacklog>>;

export async function createBacklog(db: TestDatabase, plan: BacklogPlan) {
  const { kernel, sql } = db;
  const scenario = createScenario(db);
  const running: Claim[] = [];
  const userIds: string[] = [];

  async function addUser(runningCap: number | null): Promise<string> {
    const userId = await db.addUser();
    await db.account(userId, { priority_class: plan.priorityClass, running_cap: runningCap });
    return userId;
  }

  await db.startAnew();
  await db.fixRandom(0.5);
  await db.settings({
    user_running_cap: plan.runningCap,
    sign_up_grant_credits: 1000,
    backoff_base_seconds: 60,
  });
  await db.provider({ running_cap: plan.providerCap });
  for (const { jobs, runningCap } of plan.users) {
    const userId = await addUser(runningCap);
    userIds.push(userId);
    await scenario.fill([userId], jobs);
  }

  async function claim(limit: number, busyUserId?: string) {
    const answer = await sql.begin(async (transaction) => {
      if (busyUserId !== undefined) await transaction`select genflow.lock_account(${busyUserId})`;
      return await kernel.claimGenerations(randomUUID(), limit);
    });
    running.push(...answer.claims);
    return answer;
  }

  /** Takes the picked job out of the running ones; undefined if none runs. */
  const take = (pick: number) => running.splice(pick % Math.max(1, running.length), 1)[0];

  async function failAttempt({ attemptId, leaseToken }: Claim): Promise<void> {
    const sendId = randomUUID();
    const { go } = await kernel.markSending(attemptId, leaseToken, sendId, "f".repeat(64));
    // A lease that ran out while the plan waited has returned the job already.
    if (go) await kernel.recordSubmission(attemptId, sendId, { kind: "rejected", class: "provider_error" });
  }

  return {
    userIds,
    claim,
    /** A user who was not there before, and the first job. */
    async arrive(): Promise<{ userId: string; jobId: string }> {
      const userId = await addUser(null);
      return { userId, jobId: await scenario.start(userId) };
    },
    async places(): Promise<Places[]> {
      return await sql<Places[]>`
        select a.user_id as "userId", coalesce(a.running_cap, s.user_running_cap) as cap,
          (count(j.id) filter (where j.ready_at is not null))::integer as ready,
          (count(j.id) filter (where j.ready_at is null and j.ready_order is not null))::integer as "mayReturn"
        from genflow.settings s, genflow.accounts a left join public.generation_jobs j on j.user_id = a.user_id and j.ended_at is null
        group by a.user_id, a.running_cap, s.user_running_cap`;
    },
    async end(pick: number): Promise<void> {
      const claim = take(pick);
      if (claim) {
        await sql`select public.cancel_generation(user_id, id) from public.generation_jobs where id = ${claim.jobId}`;
      }
    },
    async fail(pick: number): Promise<void> {
      const claim = take(pick);
      if (claim) await failAttempt(claim);
    },
    async outage(): Promise<void> {
      for (const each of running.splice(0)) await failAttempt(each);
    },
    start: (user: number) => scenario.start(userIds[user % userIds.length]!),
    async wait(seconds: number): Promise<void> {
      await db.advance(seconds);
      await db.sweep();
    },
  };
}
