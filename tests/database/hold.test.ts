// While nothing is claimed, whoever waits is told why and until when.

import { expect, test } from "vitest";
import { Queue } from "../../shared/contract/mod.ts";
import { openDatabase } from "./database.ts";
import { createScenario, type Sent, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

async function queued(): Promise<{ userId: string; jobId: string }> {
  const userId = await db.addUser();
  return { userId, jobId: await scenario.start(userId) };
}

async function holdOf({ userId, jobId }: { userId: string; jobId: string }): Promise<Queue["hold"]> {
  return await db.asUser(userId, async (as) => {
    const [row] = await as<{ queue: unknown }[]>`select public.queue_position(${jobId}) as queue`;
    return Queue.parse(row!.queue).hold;
  });
}

async function clockAfter(seconds: number): Promise<number> {
  const [row] = await sql<
    { at: Date }[]
  >`select genflow.clock() + make_interval(secs => ${seconds}) as at`;
  return row!.at.getTime();
}

/** Seconds from now until the hold ends. */
async function secondsLeft(hold: Queue["hold"]): Promise<number> {
  return Math.round((Date.parse(hold!.until!) - await clockAfter(0)) / 1000);
}

async function sentMany(count: number): Promise<Sent[]> {
  for (let at = 0; at < count; at++) await queued();
  return await Promise.all((await scenario.claim(count)).map((claim) => scenario.send(claim)));
}

async function outage(): Promise<void> {
  for (const sent of await sentMany(5)) await scenario.record(sent, { kind: "unknown", cause: "timeout" });
}

test("nothing in the way: no hold, in the start's answer as in the position", async () => {
  const answer = await kernel.start(startArguments(await db.addUser()));
  expect(answer.ok && answer.queue.hold).toBe(null);
  expect(await holdOf(await queued())).toBe(null);
});

test.each([
  ["rate_limited", "provider_busy", 60],
  ["no_credits", "provider_unavailable", 300],
  ["suspended", "provider_unavailable", 600],
  ["unauthorized", "provider_unavailable", 300],
])("a pause for %s is told as %s until its end, and not after it", async (failureClass, reason, seconds) => {
  const [sent] = await sentMany(1);
  await scenario.record(sent!, { kind: "rejected", class: failureClass });
  const waiting = await queued();
  const hold = await holdOf(waiting);
  expect(hold).toMatchObject({ reason });
  expect(await secondsLeft(hold)).toBe(seconds);
  await db.advance(seconds + 1);
  expect(await holdOf(waiting)).toBe(null);
});

test("a start under a hold says so at once", async () => {
  await outage();
  const answer = await kernel.start(startArguments(await db.addUser()));
  expect(answer.ok && answer.queue.hold).toMatchObject({ reason: "provider_outage" });
});

test("an open breaker is told as provider_outage until its end, and then until its probe's outcome", async () => {
  await outage();
  const [first, waiting] = [await queued(), await queued()];
  const open = await holdOf(waiting);
  expect(open).toMatchObject({ reason: "provider_outage" });
  expect(await secondsLeft(open)).toBe(30);

  await db.advance(31);
  expect(await holdOf(waiting)).toBe(null); // it may be the probe itself
  const [probe] = await scenario.claim();
  expect(probe?.jobId).toBe(first.jobId);
  const halfOpen = await holdOf(waiting);
  expect(halfOpen).toMatchObject({ reason: "provider_outage" });
  expect(await secondsLeft(halfOpen)).toBe(60);
  expect(await holdOf(first)).toBe(null); // it runs
  await scenario.accept(await scenario.send(probe!));
  expect(await holdOf(waiting)).toBe(null);
});

test.each<[string, string, (userId: string) => Promise<void>]>([
  ["the provider's cap is 0", "paused", () => db.provider({ running_cap: 0 })],
  ["the user's cap is 0", "paused", (userId) => db.account(userId, { running_cap: 0 })],
  ["the provider's balance is below the limit", "provider_unavailable", async () => {
    await db.settings({ min_provider_balance_usd: 5 });
    await kernel.recordProviderBalance(4.99);
  }],
])("where %s the hold is %s, and nobody knows until when", async (_, reason, begin) => {
  const waiting = await queued();
  await begin(waiting.userId);
  expect(await holdOf(waiting)).toEqual({ reason, until: null });
});

test("an operator's pause until a moment is told as paused until then", async () => {
  const waiting = await queued();
  await sql`update genflow.provider set paused_until = genflow.clock() + interval '2 hours'`;
  const hold = await holdOf(waiting);
  expect(hold).toMatchObject({ reason: "paused" });
  expect(await secondsLeft(hold)).toBe(7200);
});

test("an operator's pause after or instead of one of the provider's is the operator's, and no balance ends it", async () => {
  const [sent] = await sentMany(1);
  await kernel.recordProviderBalance(1);
  await scenario.record(sent!, { kind: "rejected", class: "no_credits" });
  await sql`update genflow.provider set paused_until = genflow.clock() + interval '1 hour'`;
  const waiting = await queued();
  expect(await holdOf(waiting)).toMatchObject({ reason: "paused" });
  await kernel.recordProviderBalance(60);
  expect(await holdOf(waiting)).toMatchObject({ reason: "paused" });
  expect(await scenario.claim()).toEqual([]);
});

test("a pause has an end: without one it is a cap of 0", async () => {
  await expect(sql`update genflow.provider set paused_until = 'infinity'`).rejects.toThrow(
    "provider_paused_until_finite",
  );
});

test("of several holds the longest is told, and one without an end before all", async () => {
  await outage(); // 30 s
  const waiting = await queued();
  await sql`select genflow.pause_claims('rate_limited', 20)`;
  expect(await holdOf(waiting)).toMatchObject({ reason: "provider_outage" });
  await sql`select genflow.pause_claims('rate_limited', 40)`;
  expect(await holdOf(waiting)).toMatchObject({ reason: "provider_busy" });
  await db.provider({ running_cap: 0 });
  expect(await holdOf(waiting)).toEqual({ reason: "paused", until: null });
});

test("a shorter pause neither ends a longer one nor takes its reason's place", async () => {
  const [broke, busy] = await sentMany(2);
  await scenario.record(broke!, { kind: "rejected", class: "no_credits" });
  await scenario.record(busy!, { kind: "rejected", class: "rate_limited", retryAfterSeconds: 5 });
  const hold = await holdOf(await queued());
  expect(hold).toMatchObject({ reason: "provider_unavailable" });
  expect(await secondsLeft(hold)).toBe(300);
});

test("a full user or a full provider is a place in the queue and no hold", async () => {
  const userId = await db.addUser();
  await db.settings({ user_running_cap: 1 });
  await db.provider({ running_cap: 1 });
  await scenario.running(userId);
  expect(await holdOf({ userId, jobId: await scenario.start(userId) })).toBe(null);
  expect(await holdOf(await queued())).toBe(null);
});
