// Whose turn it is. That nobody is kept waiting, whatever the others do, is held in properties/turns.test.ts.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

test("claims take ready jobs in the order in which they became ready", async () => {
  const jobs = [];
  for (let count = 0; count < 4; count++) jobs.push(await scenario.start(await db.addUser()));
  const claimed = [];
  for (let count = 0; count < 4; count++) claimed.push((await scenario.claim(1))[0]?.jobId);
  expect(claimed).toEqual(jobs);
});

test("a head start moves a job forward by its class's seconds and no further", async () => {
  const [early, plusId, late] = [await db.addUser(), await db.addUser(), await db.addUser()];
  await db.account(plusId, { priority_class: "plus" });
  const first = await scenario.start(early);
  await db.advance(61);
  const second = await scenario.start(late);
  await db.advance(30);
  const preferred = await scenario.start(plusId); // 60 s: before `late`, after `early`
  expect((await scenario.claim(3)).length).toBe(3);
  const rows = await sql<{ id: string }[]>`select id from public.generation_jobs order by ready_order, id`;
  expect(rows.map((row) => row.id)).toEqual([first, preferred, second]);
});

test("a class given later counts for what becomes ready after it, and moves nothing that has its place", async () => {
  const [risingId, otherId] = [await db.addUser(), await db.addUser()];
  const others = await scenario.start(otherId);
  await db.advance(1);
  const placed = await scenario.start(risingId);
  await db.account(risingId, { priority_class: "pro" });
  const preferred = await scenario.start(risingId);
  expect((await scenario.claim(3)).map((claim) => claim.jobId)).toEqual([preferred, others, placed]);
});

test("no class may be given more than 300 seconds of head start", async () => {
  const headStart = (seconds: number) =>
    sql.begin(async (transaction) => {
      await transaction`update genflow.priority_classes set head_start_seconds = ${seconds} where name = 'pro'`;
      throw new Error("rolled back");
    });
  await expect(headStart(300)).rejects.toThrow("rolled back");
  await expect(headStart(301)).rejects.toMatchObject({ code: "23514" });
});

test("a user with many queued jobs delays another user's first by no more than the ready ones", async () => {
  await db.settings({ user_running_cap: 2, sign_up_grant_credits: 100 });
  const [greedy, modest] = [await db.addUser(), await db.addUser()];
  for (let count = 0; count < 30; count++) await scenario.start(greedy);
  const jobId = await scenario.start(modest);
  const claimed = (await scenario.claim(100)).map((claim) => claim.jobId);
  expect(claimed).toHaveLength(3);
  expect(claimed).toContain(jobId);
});

test("a job that failed and waits for its delay loses its turn, keeps its place and comes back when due", async () => {
  await db.fixRandom(0.5);
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  const placed = (await scenario.job(sent.jobId))["ready_order"];
  await scenario.record(sent, { kind: "rejected", class: "provider_error" });
  expect(await scenario.job(sent.jobId)).toMatchObject({
    status: "queued",
    ready_at: null,
    attempts: 1,
    ready_order: placed,
    attempt_id: null,
  });
  const other = await scenario.start(await db.addUser());

  await db.advance(2); // half of the base of 5 s
  await db.sweep();
  expect(await sql`select from public.generation_jobs where ready_at is not null`).toHaveLength(1);
  await db.advance(1);
  await db.sweep();
  expect((await scenario.job(sent.jobId))["ready_order"]).toEqual(placed);
  expect((await scenario.claim(2)).map((claim) => claim.jobId)).toEqual([sent.jobId, other]);
});

test("who comes back to his place takes the slot of his user's next job, which comes right after him", async () => {
  await db.fixRandom(0.1);
  await db.settings({ user_running_cap: 1 });
  const userId = await db.addUser();
  const first = await scenario.sent(userId);
  const others = [await scenario.start(await db.addUser()), await scenario.start(await db.addUser())];
  const next = await scenario.start(userId);
  await scenario.record(first, { kind: "rejected", class: "provider_error" });
  expect(await scenario.job(next)).toMatchObject({ ready_at: expect.any(Date) });
  const placed = (await scenario.job(next))["ready_order"];
  await db.advance(60);
  await db.sweep();
  expect(await scenario.job(next)).toMatchObject({ ready_at: null, ready_order: placed });
  expect((await scenario.claim()).map((claim) => claim.jobId)).toEqual([first.jobId, ...others]);
});

test("a claim names the users whose account is busy, passes over them and does not wait", async () => {
  const [busyId, freeId] = [await db.addUser(), await db.addUser()];
  for (const userId of [busyId, busyId, freeId]) await scenario.start(userId);
  await sql.begin(async (transaction) => {
    await transaction`select genflow.lock_account(${busyId})`;
    const { claims, skippedUserIds } = await kernel.claimGenerations(randomUUID(), 10);
    expect(skippedUserIds).toEqual([busyId]);
    expect(claims).toHaveLength(1);
  });
  await kernel.awaitAccounts([freeId, busyId]);
  expect(await scenario.claim()).toHaveLength(2);
});

test("await_accounts waits until the account is free", async () => {
  const userId = await db.addUser();
  await scenario.start(userId);
  const order: string[] = [];
  let waiting: Promise<unknown> = Promise.resolve();
  await sql.begin(async (transaction) => {
    await transaction`select genflow.lock_account(${userId})`;
    waiting = kernel.awaitAccounts([userId]).then(() => order.push("answered"));
    await expect.poll(() => sql`select from pg_locks where not granted`, { interval: 5 }).toHaveLength(1);
    order.push("freed");
  });
  await waiting;
  expect(order).toEqual(["freed", "answered"]);
});

test("a claim hands out all that a submit needs, with a seed of its own where the model takes one and none was asked", async () => {
  const userId = await db.addUser();
  const drawn = await scenario.claimed(userId);
  expect(drawn).toMatchObject({
    prompt: "an otter reading a newspaper in the rain",
    aspectRatio: "1:1",
    numImages: 1,
    inputPaths: [],
    submitDeadlineSeconds: 30,
  });
  expect(drawn.model).toMatchObject({ path: "wavespeed-ai/flux-schnell" });
  expect(drawn.seed).toBeTypeOf("number");
  expect(await scenario.attempt(drawn.attemptId)).toMatchObject({ number: 1, seed: String(drawn.seed) });

  const asked = await scenario.claimed(userId, { seed: 42 });
  expect(asked.seed).toBe(42);
  expect(await scenario.attempt(asked.attemptId)).toMatchObject({ seed: null });
  expect((await scenario.claimed(userId, { modelId: "nano-banana" })).seed).toBeNull();
});
