// What each cap counts and when it counts. Races for them are in properties/claimers.test.ts.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

async function users(count: number, jobsEach: number): Promise<string[]> {
  const ids = await Promise.all(Array.from({ length: count }, () => db.addUser()));
  for (let round = 0; round < jobsEach; round++) await Promise.all(ids.map((id) => scenario.start(id)));
  return ids;
}

async function openAttempts(): Promise<number> {
  return (await sql`select from genflow.attempts where closed_at is null`).length;
}

test("a claim that finds more ready jobs than a lowered cap has slots takes the last ones' turns and places away", async () => {
  const [userId] = await users(1, 3);
  await db.account(userId!, { running_cap: 1 });
  expect(await scenario.claim()).toHaveLength(1);
  expect(
    await sql`select ready_at, ready_order is null as lost from public.generation_jobs where status = 'queued'`,
  )
    .toEqual([{ ready_at: null, lost: true }, { ready_at: null, lost: true }]);
});

test("after a cap was lowered its user's many ready jobs are before another's first only as far as the new cap", async () => {
  await db.settings({ user_running_cap: 50, sign_up_grant_credits: 60 });
  const [greedy] = await users(1, 60);
  await db.settings({ user_running_cap: 2 });
  await db.provider({ running_cap: 1 });
  const jobId = await scenario.start(await db.addUser());
  const claimedBefore: string[] = [];
  for (;;) {
    const [claim] = await scenario.claim(1);
    if (claim!.jobId === jobId) break;
    claimedBefore.push(claim!.jobId);
    await kernel.cancel(greedy!, claim!.jobId);
  }
  expect(claimedBefore).toHaveLength(2);
});

test("a start makes ready only as many jobs as its user has free slots, and an ending job makes the next ready", async () => {
  await db.settings({ user_running_cap: 2 });
  const [userId] = await users(1, 4);
  const ready = async () => (await sql`select from public.generation_jobs where ready_at is not null`).length;
  expect(await ready()).toBe(2);
  const [first] = await scenario.claim();
  expect(await ready()).toBe(0);
  await kernel.cancel(userId!, first!.jobId);
  expect(await ready()).toBe(1);
});

test("an attempt still open for an ended job keeps its user's slot and the provider's", async () => {
  await db.settings({ user_running_cap: 1 });
  const userId = await db.addUser();
  const { jobId, taskId } = await scenario.running(userId);
  await scenario.start(userId);
  await kernel.cancel(userId, jobId);
  expect(await scenario.claim()).toEqual([]);
  await db.settings({ user_running_cap: 2 });
  await db.provider({ running_cap: 1 });
  expect(await scenario.claim()).toEqual([]);
  await scenario.fail(taskId, "cancelled");
  expect(await scenario.claim()).toHaveLength(1);
});

test("lowering a cap interrupts nothing and holds new claims back until enough have ended", async () => {
  await users(4, 1);
  const sent = await Promise.all((await scenario.claim(3)).map((claim) => scenario.send(claim)));
  await db.provider({ running_cap: 2 });
  expect(await scenario.claim()).toEqual([]);
  const running = await Promise.all(sent.map((each) => scenario.accept(each)));
  expect(await sql`select from public.generation_jobs where status = 'processing'`).toHaveLength(3);
  await scenario.deliver(running[0]!.taskId);
  expect(await scenario.claim()).toEqual([]);
  await scenario.deliver(running[1]!.taskId);
  expect(await scenario.claim()).toHaveLength(1);
});

test("a picture being stored occupies its user's slot but not the provider's", async () => {
  await db.settings({ user_running_cap: 1 });
  await db.provider({ running_cap: 1 });
  const userId = await db.addUser();
  await scenario.delivered(userId);
  await scenario.start(userId);
  expect(await scenario.claim()).toEqual([]);
  await scenario.start(await db.addUser());
  expect(await scenario.claim()).toHaveLength(1);
});

test("the account's own running cap counts before the setting, and 0 stops it", async () => {
  const [userId] = await users(1, 2);
  await db.account(userId!, { running_cap: 0 });
  expect(await scenario.claim()).toEqual([]);
  await db.account(userId!, { running_cap: 1 });
  await db.sweep();
  expect(await scenario.claim()).toHaveLength(1);
});

test("the start bucket allows its burst at once and its rate after that", async () => {
  await users(6, 1);
  await db.provider({ start_burst: 2, starts_per_minute: 6 });
  expect(await scenario.claim()).toHaveLength(2);
  expect(await scenario.claim()).toHaveLength(0);
  await db.advance(10);
  expect(await scenario.claim()).toHaveLength(1);
  await db.advance(3600);
  expect(await scenario.claim()).toHaveLength(2);
});

test("the start bucket's burst and rate count as they are when claimed", async () => {
  await users(6, 1);
  await db.provider({ start_burst: 3, starts_per_minute: 6 });
  expect(await scenario.claim(1)).toHaveLength(1);
  await db.provider({ start_burst: 1 });
  expect(await scenario.claim()).toHaveLength(1); // of the two that were left
  await db.provider({ start_burst: 3, starts_per_minute: 60 });
  await db.advance(2);
  expect(await scenario.claim()).toHaveLength(2);
});

test("the same claim id answers the same attempts and leases, and takes nothing more", async () => {
  await users(4, 1);
  const claimId = randomUUID();
  const first = await kernel.claimGenerations(claimId, 2);
  const again = await kernel.claimGenerations(claimId, 2);
  const ids = (answer: typeof first) =>
    answer.claims.map((claim) => [claim.attemptId, claim.leaseToken, claim.seed]);
  expect(ids(again)).toEqual(ids(first));
  expect(await openAttempts()).toBe(2);
  const parallel = await Promise.all(Array.from({ length: 8 }, () => kernel.claimGenerations(claimId, 2)));
  for (const answer of parallel) expect(ids(answer)).toEqual(ids(first));
});

test("an empty claim is not remembered", async () => {
  const claimId = randomUUID();
  expect((await kernel.claimGenerations(claimId, 2)).claims).toEqual([]);
  await users(1, 1);
  expect((await kernel.claimGenerations(claimId, 2)).claims).toHaveLength(1);
});
