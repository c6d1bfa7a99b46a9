// Deleting a user works from every state of his jobs and leaves nothing of him in any table, but the amounts in the
// ledger; nobody else notices.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createEraser } from "./erased.ts";
import { createScenario, prompt } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);
const eraser = createEraser(db);

/** Each leaves a job of the user's in the state, and says whether an attempt that may still be billed is open. */
const states: [name: string, make: (userId: string) => Promise<unknown>, isAwaited: boolean][] = [
  ["no account", () => Promise.resolve(), false],
  ["an account without a job", (userId) => eraser.call(userId, "my_account()"), false],
  ["queued", (userId) => scenario.start(userId), false],
  ["submitting, not sent", (userId) => scenario.claimed(userId), false],
  ["submitting, sent", (userId) => scenario.sent(userId), true],
  ["unknown", async (userId) => {
    await scenario.record(await scenario.sent(userId), { kind: "unknown", cause: "timeout" });
  }, true],
  ["processing", (userId) => scenario.running(userId), true],
  ["persisting, not begun", (userId) => scenario.delivered(userId, 2), false],
  ["persisting, one of two stored", async (userId) => {
    const { attemptId } = await scenario.delivered(userId, 2);
    await scenario.store(await scenario.lease(attemptId), 1);
  }, false],
  ["canceled with an open hold", async (userId) => {
    await kernel.cancel(userId, (await scenario.running(userId)).jobId);
  }, true],
  ["canceled and released", async (userId) => {
    await kernel.cancel(userId, await scenario.start(userId));
  }, false],
  ["failed, the attempt still open", async (userId) => {
    await scenario.running(userId);
    await db.advance(1801);
    await db.sweep();
  }, true],
  ["failed", async (userId) => {
    await scenario.fail((await scenario.running(userId)).taskId, "moderation");
  }, false],
  ["completed", (userId) => scenario.completed(userId), false],
  ["completed, its picture deleted", async (userId) => {
    await scenario.completed(userId);
    const [image] = await sql`select id from public.generation_images where user_id = ${userId}`;
    await eraser.call(userId, `delete_images(array['${image?.["id"]}'::uuid])`);
  }, false],
  ["completed, its thumbnail begun", async (userId) => {
    await scenario.completed(userId);
    await kernel.claimThumbnails(randomUUID(), 1);
  }, false],
];

test.each(states)(
  "%s: nothing is left of the user, the ledger's sum stays and nobody else is touched",
  async (_, make, isAwaited) => {
    const [userId, otherId] = [await db.addUser(), await db.addUser()];
    await scenario.completed(otherId);
    await make(userId);
    await scenario.start(otherId);
    const [others, spend] = [await eraser.traces(otherId), await sql`select * from genflow.spend`];
    const before = await eraser.ledger();

    await eraser.deleteUser(userId);
    await eraser.sweep();
    expect(await sql`select from public.generation_prompts where user_id = ${userId}`).toHaveLength(0);
    expect(await sql`select from public.generation_jobs where user_id = ${userId} and ended_at is null`)
      .toHaveLength(0);
    expect(await sql`select from public.generation_jobs where user_id = ${userId}`)
      .toHaveLength(isAwaited ? 1 : 0);
    expect(await eraser.violations()).toEqual([]);

    await eraser.finish(userId);
    expect(await eraser.traces(userId)).toEqual([]);
    expect(await eraser.traces(otherId)).toEqual(others);
    expect(await sql`select * from genflow.spend`).toEqual(spend);
    const after = await eraser.ledger();
    // No line is gone or changed; the closing of the user's hold, if it was open, has come.
    expect(after.slice(0, before.length)).toEqual(
      before.map((entry) => entry.user_id === userId ? { ...entry, user_id: expect.any(String) } : entry),
    );
    const his = after.filter(({ user_id }) => user_id !== otherId);
    expect(new Set(his.map(({ user_id }) => user_id)).size).toBe(his.length > 0 ? 1 : 0);
    const held = his.filter(({ kind }) => kind === "reserve").reduce((sum, { amount }) => sum - amount, 0);
    const closed = his.filter(({ kind }) => kind === "close")
      .reduce((sum, { amount, captured }) => sum + amount + Number(captured), 0);
    expect(closed).toBe(held);
  },
);

test("what is erased is not sent any more: the words are gone from a replayed claim, and nobody hears go", async () => {
  const userId = await db.addUser();
  await scenario.start(userId);
  const claimId = randomUUID();
  const { claims: [claim] } = await kernel.claimGenerations(claimId, 1);
  expect(claim?.prompt).toBe(prompt);
  // An attempt on its way keeps the job.
  const sent = await scenario.sent(userId);
  await eraser.deleteUser(userId);
  await eraser.sweep();
  await expect(scenario.send(claim!)).rejects.toThrow("no go: not_found");
  expect((await sql`select from public.generation_jobs where id = ${sent.jobId}`).length).toBe(1);
  await scenario.record(sent, { kind: "unknown", cause: "timeout" });
  await db.advance(61);
  const { listings } = await kernel.claimPolls(randomUUID(), 10);
  expect(listings).toMatchObject([{ attemptId: sent.attemptId, prompt: null }]);
  expect(await eraser.traces(prompt)).toEqual([]);
});

test("the job of an open attempt waits for it, its delivery is charged, and the task counts as paid for in vain", async () => {
  const userId = await db.addUser();
  const running = await scenario.running(userId);
  await eraser.deleteUser(userId);
  await eraser.sweep();
  expect(await scenario.job(running.jobId)).toMatchObject({ status: "canceled", credits_captured: null });
  await scenario.deliver(running.taskId);
  expect(await scenario.closings(running.jobId)).toEqual([{ amount: 0, captured: 1 }]);
  await db.advance(60);
  await eraser.sweep();
  expect(await sql`select from public.generation_jobs`).toHaveLength(0);
  expect(await sql`select cause, is_certain from genflow.undelivered_erased`).toEqual([
    { cause: "user_erased", is_certain: true },
  ]);
  expect(await scenario.deliver(running.taskId)).toMatchObject({ next: "unknown_task" });
});

test("a provider that would be told of cancels is not noted as told: the sweep has no way to tell it", async () => {
  await db.settings({ tell_provider_on_cancel: true });
  const userId = await db.addUser();
  const { attemptId } = await scenario.running(userId);
  await eraser.deleteUser(userId);
  await eraser.sweep();
  expect(await scenario.attempt(attemptId)).toMatchObject({ told_at: null, closed_at: null });
});

test("who is deleted again after coming back under the same id is erased again", async () => {
  const userId = await db.addUser();
  await scenario.completed(userId);
  for (let time = 0; time < 2; time++) {
    await eraser.deleteUser(userId);
    await eraser.sweep();
    // Made anew at once: what he would start would be erased with the rest.
    await sql`insert into auth.users (id, email, email_confirmed_at) values (${userId}, 'again@example.com', now())`;
    await expect(scenario.start(userId)).rejects.toThrow("refused: unauthorized");
    await sql`delete from auth.users where id = ${userId}`;
    expect(await sql`select from genflow.erasures where user_id = ${userId}`).toHaveLength(1);
    await eraser.finish(userId);
    expect(await eraser.traces(userId)).toEqual([]);
    await sql`insert into auth.users (id, email, email_confirmed_at) values (${userId}, 'again@example.com', now())`;
    await scenario.completed(userId);
    expect(await scenario.balance(userId)).toBe(19);
  }
});

test("an erasure that fails waits a minute, says which it is, and stops no other", async () => {
  const [poorId, userId] = [await db.addUser(), await db.addUser()];
  const poison = await scenario.start(poorId);
  await scenario.start(userId);
  await sql`update public.generation_jobs set credits_held = 1000000000 where id = ${poison}`;
  await sql`update genflow.accounts set balance = 2000000000 where user_id = ${poorId}`; // its release would overflow
  for (const id of [poorId, userId]) await eraser.deleteUser(id);
  const { id, ledger_user_id } = await eraser.erasure(poorId) ?? {};
  expect(await db.sweep()).toEqual([`genflow.sweep: erasure ${id} waits a minute: integer out of range`]);
  expect(await db.sweep()).toEqual([]);
  expect(await sql`select user_id from public.generation_jobs`).toEqual([{ user_id: poorId }]);
  await sql`update public.generation_jobs set credits_held = credits_per_image where id = ${poison}`;
  await sql`update genflow.accounts set balance = 19 where user_id = ${poorId}`;
  await db.advance(60);
  await eraser.finish(poorId);
  expect(await eraser.traces(poorId)).toEqual([]);
  expect(new Set((await eraser.ledger()).map((entry) => entry.user_id))).toContain(ledger_user_id);
});

test("an erasure goes in short steps: a hundred jobs, a thousand lines, five hundred objects each", async () => {
  await db.settings({ sign_up_grant_credits: 1000 });
  const userId = await db.addUser();
  await scenario.fill([userId], 250);
  await sql`select public.grant_credits(${userId}, 1, n::text) from generate_series(1, 1100) n`;
  await sql`insert into storage.objects (bucket_id, name)
    select 'generation-inputs', ${userId + "/"} || n from generate_series(1, 1200) n`;
  await eraser.deleteUser(userId);
  const steps: unknown[] = [];
  for (let step = 0; step < 6; step++) {
    await sql`select genflow.erase_next()`;
    expect(await eraser.violations()).toEqual([]);
    const [left] = await sql`select
      (select count(*)::integer from public.generation_jobs) as jobs,
      (select count(*)::integer from public.credit_entries where user_id = ${userId}) as lines,
      (select count(*)::integer from genflow.storage_purges) as purges`;
    steps.push(left);
  }
  expect(steps).toEqual([
    { jobs: 150, lines: 1451, purges: 500 },
    { jobs: 50, lines: 1551, purges: 999 },
    { jobs: 0, lines: 601, purges: 1200 },
    { jobs: 0, lines: 0, purges: 1200 },
    { jobs: 0, lines: 0, purges: 1200 },
    { jobs: 0, lines: 0, purges: 1200 },
  ]);
  expect(await eraser.erasure(userId)).toMatchObject({ rows_gone_at: expect.any(Date) });
});

test("a step reads as many rows with 3,000 jobs of others as with 300", async () => {
  const other = await scenario.completed(await db.addUser());
  const copies = [
    ["public.generation_jobs", "id", "'id', m.job_id, 'idempotency_key', m.job_id, 'attempt_id', m.other_id"],
    ["genflow.attempts", "job_id", "'id', m.other_id, 'job_id', m.job_id, 'task_id', m.other_id"],
    ["public.generation_images", "job_id", "'id', m.other_id, 'job_id', m.job_id, 'path', m.other_id"],
    ["public.generation_prompts", "job_id", "'job_id', m.job_id"],
  ] as const;
  const grow = async (jobs: number) => {
    await sql.begin(async (transaction) => {
      await transaction`set local session_replication_role = replica`;
      await transaction`create temp table more on commit drop as
        select gen_random_uuid() as job_id, gen_random_uuid() as other_id from generate_series(1, ${jobs}::integer)`;
      for (const [table, key, changes] of copies) {
        await transaction.unsafe(`insert into ${table}
          select (jsonb_populate_record(t, jsonb_build_object(${changes}))).* from ${table} t, more m where t.${key} = '${other.jobId}'`);
      }
      for (const [table] of copies) await transaction.unsafe(`analyze ${table}`);
    });
  };
  const rowsRead = async () => {
    const userId = await db.addUser();
    for (let job = 0; job < 3; job++) await scenario.completed(userId);
    await eraser.deleteUser(userId);
    const [row] = await sql.begin(async (erasing) => {
      await erasing`select genflow.sweep_upkeep('erasures')`;
      return await erasing`select sum(seq_tup_read + idx_tup_fetch)::integer as rows from pg_stat_xact_all_tables
        where schemaname in ('public', 'genflow', 'auth', 'storage')`;
    });
    expect(await sql`select from public.generation_jobs where user_id = ${userId}`).toHaveLength(0);
    return Number(row?.["rows"]);
  };
  await grow(300);
  const few = await rowsRead();
  await grow(2700);
  expect(few).toBeGreaterThan(20);
  expect(await rowsRead()).toBeLessThan(few + 20);
});
