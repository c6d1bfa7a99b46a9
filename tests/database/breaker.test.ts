// What opens, holds and closes the breaker, and what ends a pause: the rules that provider-health.test.ts begins with.

import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, type Sent } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

async function queue(count: number): Promise<void> {
  for (let at = 0; at < count; at++) await scenario.start(await db.addUser());
}

async function sentMany(count: number): Promise<Sent[]> {
  await queue(count);
  return await Promise.all((await scenario.claim(count)).map((claim) => scenario.send(claim)));
}

/** The breaker is half open, and three jobs are ready. */
async function halfOpen(): Promise<void> {
  for (const sent of await sentMany(5)) await scenario.record(sent, { kind: "unknown", cause: "timeout" });
  await queue(3);
  await db.advance(31);
}

test("a probe that was sent late in its lease stays the only one until that lease ends", async () => {
  await halfOpen();
  const [probe] = await scenario.claim();
  await db.advance(44); // of its 45 s before sending
  await scenario.send(probe!);
  await db.advance(20); // 64 s after the claim; its own 60 s are not over
  expect(await scenario.claim()).toEqual([]);
  await db.advance(41);
  expect(await scenario.claim()).toHaveLength(1);
});

test("a probe whose callback is here before its answer closes the breaker", async () => {
  await halfOpen();
  const [probe] = await scenario.claim();
  const { attemptId } = await scenario.send(probe!);
  await scenario.deliver("early", 1, attemptId);
  expect(await scenario.providerRow()).toMatchObject({ breaker_open_until: null, consecutive_failures: 0 });
  expect(await scenario.claim()).toHaveLength(2);
});

test("a task that is told of after its submit's lease says nothing of whether submits get through now", async () => {
  const sent = await sentMany(6);
  for (const each of sent.slice(1)) await scenario.record(each, { kind: "unknown", cause: "timeout" });
  await db.advance(61);
  await scenario.deliver("late", 1, sent[0]!.attemptId);
  expect(await scenario.providerRow()).toMatchObject({ consecutive_failures: 5 });
});

test("ten claims at once let one probe through", async () => {
  await halfOpen();
  const pool = db.pool(10);
  const claims = await Promise.all(
    Array.from({ length: 10 }, () => pool.kernel.claimGenerations(crypto.randomUUID(), 10)),
  );
  await pool.end();
  expect(claims.flatMap((answer) => answer.claims)).toHaveLength(1);
});

test("a probe that was never sent, by a fault of ours, neither closes nor opens the breaker, and the next one goes", async () => {
  await halfOpen();
  const [probe] = await scenario.claim();
  const before = await scenario.providerRow();
  await scenario.record(await scenario.send(probe!), { kind: "rejected", class: "unsendable" });
  expect(await scenario.providerRow()).toEqual(before);
  await db.advance(61);
  expect(await scenario.claim()).toHaveLength(1);
});

test.each(["moderation", "bad_input", "input_unreachable", "model_not_found"])(
  "a definite no about the input closes the breaker: %s",
  async (failureClass) => {
    await halfOpen();
    const [probe] = await scenario.claim();
    await scenario.record(await scenario.send(probe!), { kind: "rejected", class: failureClass });
    expect(await scenario.providerRow()).toMatchObject({ consecutive_failures: 0, breaker_open_until: null });
  },
);

test.each(["provider_error", "task_failed", "moderation", "timeout"])(
  "how a task ended says nothing of whether submits get through: %s closes no breaker",
  async (failureClass) => {
    const { taskId } = await scenario.running(await db.addUser());
    for (const sent of await sentMany(5)) await scenario.record(sent, { kind: "unknown", cause: "network" });
    const before = await scenario.providerRow();
    await scenario.fail(taskId, failureClass);
    expect(await scenario.providerRow()).toEqual(before);
  },
);

test.each([
  [365 * 24 * 3600, 3600],
  [0, 1],
  [-7, 1],
])("a Retry-After of %i s counts as %i s, for the pause and for the job", async (asked, counted) => {
  const [sent] = await sentMany(1);
  await scenario.record(sent!, { kind: "rejected", class: "rate_limited", retryAfterSeconds: asked });
  const [row] = await sql<{ pause: number; delay: number }[]>`
    select round(extract(epoch from p.paused_until - genflow.clock()))::integer as pause,
      round(extract(epoch from j.not_before - genflow.clock()))::integer as delay
    from genflow.provider p, public.generation_jobs j where j.id = ${sent!.jobId}`;
  expect(row).toEqual({ pause: counted, delay: counted });
});

test("the delay before another attempt is drawn between nothing and the doubled base, up to its longest", async () => {
  const delays = async (tries: number) => {
    const drawn = [];
    for (const unit of [0, 0.5, 1]) {
      await db.fixRandom(unit);
      const [row] = await sql<{ seconds: number }[]>`select genflow.backoff_seconds(${tries}) as seconds`;
      drawn.push(row!.seconds);
    }
    return drawn;
  };
  expect(await delays(0)).toEqual([0, 2.5, 5]);
  expect(await delays(2)).toEqual([0, 10, 20]);
  expect(await delays(30)).toEqual([0, 150, 300]);
});

test("a pause for an empty account ends when the balance has risen to the limit, and only then", async () => {
  await db.settings({ min_provider_balance_usd: 5 });
  await kernel.recordProviderBalance(6);
  const [sent] = await sentMany(1);
  await scenario.record(sent!, { kind: "rejected", class: "no_credits" });
  await queue(1);
  for (const balance of [6, 2, 4]) {
    await kernel.recordProviderBalance(balance);
    expect(await scenario.providerRow()).toMatchObject({ paused_class: "no_credits" });
  }
  await kernel.recordProviderBalance(20);
  expect(await scenario.providerRow()).toMatchObject({ paused_class: null, paused_until: null });
  expect((await scenario.claim()).length).toBeGreaterThan(0);
});

test("a risen balance ends no other pause", async () => {
  await kernel.recordProviderBalance(6);
  const [sent] = await sentMany(1);
  await scenario.record(sent!, { kind: "rejected", class: "suspended" });
  await kernel.recordProviderBalance(60);
  expect(await scenario.providerRow()).toMatchObject({ paused_class: "suspended" });
  expect(await scenario.claim()).toEqual([]);
});
