import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, type Sent } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

async function sentMany(count: number) {
  const jobs = [];
  for (let at = 0; at < count; at++) jobs.push(await scenario.start(await db.addUser()));
  const claims = await scenario.claim(count);
  expect(claims).toHaveLength(count);
  return await Promise.all(claims.map((claim) => scenario.send(claim)));
}

async function queueOne(): Promise<string> {
  return await scenario.start(await db.addUser());
}

test.each([
  ["rate_limited", 60],
  ["no_credits", 300],
  ["suspended", 600],
  ["unauthorized", 300],
])(
  "%s holds every claim back for %i seconds, burns no attempt and returns the job to the queue",
  async (failureClass, seconds) => {
    const [sent] = await sentMany(1);
    await scenario.record(sent!, { kind: "rejected", class: failureClass });
    expect(await scenario.job(sent!.jobId)).toMatchObject({
      status: "queued",
      attempts: 0,
      credits_captured: null,
    });
    await queueOne();
    expect(await scenario.claim()).toEqual([]);
    await db.advance(seconds - 2);
    await db.sweep();
    expect(await scenario.claim()).toEqual([]);
    await db.advance(3);
    await db.sweep();
    expect(await scenario.claim()).toHaveLength(2);
  },
);

test("a Retry-After counts before the class's own pause, and a shorter one does not shorten a longer pause", async () => {
  const [first, second] = await sentMany(2);
  await scenario.record(first!, { kind: "rejected", class: "rate_limited", retryAfterSeconds: 200 });
  await scenario.record(second!, { kind: "rejected", class: "rate_limited", retryAfterSeconds: 5 });
  await queueOne();
  await db.advance(190);
  await db.sweep();
  expect(await scenario.claim()).toEqual([]);
  await db.advance(11);
  await db.sweep();
  expect(await scenario.claim()).toHaveLength(3);
});

test("five outages in a row open the breaker; after its time one probe goes, and its success closes it", async () => {
  const sent = await sentMany(5);
  for (const each of sent.slice(0, 4)) await scenario.record(each, { kind: "unknown", cause: "timeout" });
  expect(await scenario.providerRow()).toMatchObject({ consecutive_failures: 4, breaker_open_until: null });
  await scenario.record(sent[4]!, { kind: "rejected", class: "not_sent" });
  for (let count = 0; count < 3; count++) await queueOne();
  expect(await scenario.claim()).toEqual([]);

  await db.advance(31);
  const [probe, ...others] = await scenario.claim();
  expect(others).toEqual([]);
  expect(await scenario.claim()).toEqual([]); // none while the probe's outcome is awaited
  await scenario.accept(await scenario.send(probe!));
  expect(await scenario.providerRow()).toMatchObject({ consecutive_failures: 0, breaker_open_until: null });
  expect((await scenario.claim()).length).toBeGreaterThanOrEqual(2);
});

test("a probe that fails opens the breaker again, and one whose worker died frees the next after its lease", async () => {
  for (const each of await sentMany(5)) await scenario.record(each, { kind: "unknown", cause: "timeout" });
  for (let count = 0; count < 3; count++) await queueOne();
  await db.advance(31);
  const [probe] = await scenario.claim();
  await scenario.record(await scenario.send(probe!), { kind: "unknown", cause: "timeout" });
  expect(await scenario.claim()).toEqual([]);
  await db.advance(31);
  expect(await scenario.claim()).toHaveLength(1); // and it dies
  await db.advance(58);
  expect(await scenario.claim()).toEqual([]);
  await db.advance(3);
  expect(await scenario.claim()).toHaveLength(1);
});

test.each(["moderation", "bad_input", "rate_limited"])(
  "a definite answer such as %s is health: it ends a row of outages",
  async (failureClass) => {
    const sent = await sentMany(5);
    for (const each of sent.slice(0, 4)) await scenario.record(each, { kind: "unknown", cause: "timeout" });
    await scenario.record(sent[4]!, { kind: "rejected", class: failureClass });
    expect(await scenario.providerRow()).toMatchObject({ consecutive_failures: 0 });
  },
);

test("what says nothing of the provider neither counts as an outage nor as health", async () => {
  const sent = await sentMany(2);
  await scenario.record(sent[0]!, { kind: "unknown", cause: "timeout" });
  await scenario.record(sent[1]!, { kind: "rejected", class: "interrupted" });
  expect(await scenario.providerRow()).toMatchObject({ consecutive_failures: 1 });
});

test("an answer recorded twice counts once for the breaker", async () => {
  const sent = await sentMany(2);
  await scenario.accept(sent[0]!, "task-1");
  for (let call = 0; call < 2; call++) await scenario.record(sent[1]!, { kind: "unknown", cause: "timeout" });
  expect(await scenario.providerRow()).toMatchObject({ consecutive_failures: 1 });
  await scenario.accept(sent[0]!, "task-1");
  expect(await scenario.providerRow()).toMatchObject({ consecutive_failures: 1 });
});

test("claims pause while the provider's last known balance is below the limit", async () => {
  await db.settings({ min_provider_balance_usd: 5 });
  await queueOne();
  await kernel.recordProviderBalance(4.99);
  expect(await scenario.claim()).toEqual([]);
  expect((await kernel.workDue())["balance"]).toBe(0);
  await db.advance(901);
  expect((await kernel.workDue())["balance"]).toBe(1);
  await kernel.recordProviderBalance(5);
  expect(await scenario.claim()).toHaveLength(1);
  expect(await sql`select balance_usd::text from genflow.provider`).toEqual([{ balance_usd: "5" }]);
});

test.each<[string, (sent: Sent[]) => Promise<unknown>, () => Promise<unknown>]>([
  [
    "a pause that is over",
    ([sent]) => scenario.record(sent!, { kind: "rejected", class: "rate_limited" }),
    () => db.advance(61),
  ],
  [
    "a breaker whose time is over",
    (sent) => Promise.all(sent.map((each) => scenario.record(each, { kind: "unknown", cause: "timeout" }))),
    () => db.advance(31),
  ],
  [
    "a refilled start bucket",
    () => db.provider({ start_burst: 1, starts_per_minute: 1, start_tokens: 0, start_tokens_at: new Date() }),
    () => db.advance(61),
  ],
  ["a raised cap", () => db.provider({ running_cap: 5 }), () => db.provider({ running_cap: 6 })],
  [
    "a balance that was topped up",
    async () => {
      await db.settings({ min_provider_balance_usd: 5 });
      await kernel.recordProviderBalance(1);
    },
    () => kernel.recordProviderBalance(9),
  ],
])("%s makes the ready jobs work for the next sweep, and not before", async (_, hold, release) => {
  const sent = await sentMany(5);
  await hold(sent);
  await queueOne();
  expect((await kernel.workDue())["ready"]).toBe(0);
  expect(await scenario.claim()).toEqual([]);
  await release();
  expect((await kernel.workDue())["ready"]).toBeGreaterThan(0);
  expect((await scenario.claim()).length).toBeGreaterThan(0);
});
