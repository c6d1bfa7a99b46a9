import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, prompt, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

test("start_generation holds the price, queues the job and answers balance, position and time", async () => {
  const userId = await db.addUser();
  const answer = await kernel.start(startArguments(userId, { modelId: "flux-dev", numImages: 3, seed: 7 }));
  expect(answer).toMatchObject({
    ok: true,
    replay: false,
    job: {
      status: "queued",
      modelId: "flux-dev",
      numImages: 3,
      seed: 7,
      creditsHeld: 6,
      creditsCaptured: null,
      attempts: 0,
    },
    account: { balance: 14, seq: 1 },
    queue: { position: 0, exact: true, etaSeconds: 11, hold: null },
  });
  expect(
    await sql`select kind, amount, reference from public.credit_entries where user_id = ${userId} order by id`,
  ).toEqual([
    { kind: "grant", amount: 20, reference: "sign-up" },
    { kind: "reserve", amount: -6, reference: null },
  ]);
  expect(await sql`select credits, starts from genflow.spend`).toEqual([{ credits: 6, starts: 1 }]);
});

test("the same key and hash answer the same job with values as of now, and hold nothing more", async () => {
  const userId = await db.addUser();
  const tap = startArguments(userId);
  const first = await kernel.start(tap);
  if (!first.ok) throw new Error(first.error.code);
  await kernel.cancel(userId, first.job.id);
  await db.settings({ intake_paused: true });

  const again = await kernel.start(tap);
  expect(again).toMatchObject({
    ok: true,
    replay: true,
    job: { id: first.job.id, status: "canceled" },
    account: { balance: 20 },
  });
  expect(await sql`select from public.generation_jobs`).toHaveLength(1);
  expect(await sql`select from public.credit_entries where kind = 'reserve'`).toHaveLength(1);
});

test("the same key with another hash is refused, and the same key of another user is another key", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const tap = startArguments(userId);
  await kernel.start(tap);
  expect(await kernel.start({ ...tap, requestHash: "b".repeat(64) })).toEqual({
    ok: false,
    error: { code: "idempotency_key_reused" },
  });
  expect(await kernel.start({ ...tap, userId: otherId })).toMatchObject({ ok: true, replay: false });
});

test("20 starts at once with one key make one job, one hold and one sign-up grant", async () => {
  const userId = await db.addUser();
  const tap = startArguments(userId);
  const answers = await db.racing(userId, Array.from({ length: 20 }, () => () => kernel.start(tap)));
  const ids = new Set(answers.map((answer) => (answer.ok ? answer.job.id : answer.error.code)));
  expect(ids.size).toBe(1);
  expect(answers.filter((answer) => answer.ok && !answer.replay)).toHaveLength(1);
  expect(await sql`select kind, amount from public.credit_entries order by id`).toEqual([
    { kind: "grant", amount: 20 },
    { kind: "reserve", amount: -1 },
  ]);
});

test("the sign-up grant comes once, and never for anonymous or unconfirmed users", async () => {
  const userId = await db.addUser();
  for (let call = 0; call < 2; call++) await db.asUser(userId, (as) => as`select public.my_account()`);
  await scenario.start(userId);
  expect(await scenario.balance(userId)).toBe(19);
  for (const more of [{ anonymous: true }, { confirmed: false }]) {
    const poorId = await db.addUser(more);
    expect(await kernel.start(startArguments(poorId))).toEqual({
      ok: false,
      error: { code: "insufficient_credits", balance: 0, price: 1 },
    });
  }
  const lateId = await db.addUser({ confirmed: false });
  await kernel.start(startArguments(lateId));
  await sql`update auth.users set email_confirmed_at = now() where id = ${lateId}`;
  await scenario.start(lateId);
  expect(await scenario.balance(lateId)).toBe(19);
});

test("a phone number confirms a user as an e-mail does, and a grant of 0 leaves no entry", async () => {
  const userId = await db.addUser({ confirmed: false });
  await sql`update auth.users set phone_confirmed_at = now() where id = ${userId}`;
  await scenario.start(userId);
  await db.settings({ sign_up_grant_credits: 0 });
  const poorId = await db.addUser();
  await kernel.start(startArguments(poorId));
  expect(await sql`select from public.credit_entries where user_id = ${poorId}`).toHaveLength(0);
});

test("words stand in generation_prompts alone; inputs and the retried job stand on the job", async () => {
  const userId = await db.addUser();
  const inputPath = `${userId}/otter.png`;
  await sql`insert into storage.objects (bucket_id, name) values ('generation-inputs', ${inputPath})`;
  const earlier = await scenario.start(userId);
  await kernel.cancel(userId, earlier);
  const jobId = await scenario.start(userId, {
    modelId: "nano-banana-edit",
    inputPaths: [inputPath],
    retryOf: earlier,
  });
  expect(await scenario.job(jobId)).toMatchObject({ input_paths: [inputPath], retry_of: earlier });
  expect(await sql`select prompt from public.generation_prompts where job_id = ${jobId}`).toEqual([{
    prompt,
  }]);
  const everything = JSON.stringify([
    await scenario.job(jobId),
    await sql`select * from public.generation_events`,
  ]);
  expect(everything).not.toContain("otter reading");
});

test("a job ready to go has an exact position; one that waits for its user's slot has a lower bound", async () => {
  await db.settings({ user_running_cap: 2 });
  await db.provider({ running_cap: 1 });
  const [first, second] = [await db.addUser(), await db.addUser()];
  const positions = [];
  for (const userId of [first, first, first, first, second]) {
    const answer = await kernel.start(startArguments(userId));
    if (!answer.ok) throw new Error(answer.error.code);
    positions.push([answer.queue.position, answer.queue.exact, answer.queue.etaSeconds]);
  }
  expect(positions).toEqual([[0, true, 4], [1, true, 8], [2, false, 12], [3, false, 16], [2, true, 12]]);
});

test("behind more than a hundred ready jobs the position is 100 and not exact", async () => {
  await db.settings({ sign_up_grant_credits: 200 });
  const userId = await db.addUser();
  await scenario.fill([userId], 101);
  const answer = await kernel.start(startArguments(userId));
  expect(answer).toMatchObject({ ok: true, queue: { position: 100, exact: false } });
});

test("a new key starts a new job although everything else is equal", async () => {
  const tap = startArguments(await db.addUser());
  await kernel.start(tap);
  expect(await kernel.start({ ...tap, idempotencyKey: randomUUID() })).toMatchObject({
    ok: true,
    replay: false,
  });
});
