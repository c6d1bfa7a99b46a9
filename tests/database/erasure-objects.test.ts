// A deleted user's objects: all that lie in his folders are purged, whoever wrote them and however late, until nothing
// can come any more.

import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createEraser } from "./erased.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);
const eraser = createEraser(db);
const hour = 3600;

test("every object in the user's folders is purged, in both buckets, named by a row or not; neighbours stay", async () => {
  const userId = await db.addUser();
  await scenario.completed(userId);
  const [image] = await sql`select path from public.generation_images`;
  const neighbour = `${userId.slice(0, -1)}${userId.endsWith("0") ? "1" : "0"}`;
  const mine = [
    `${image?.["path"]}`,
    `${image?.["path"]}-thumb`,
    `${userId}/unknown/0-12345678`,
    `${userId}/~`,
  ];
  for (const name of mine) await eraser.store("generations", name);
  for (const name of [`${userId}/photo`, `${userId}/ü/'%_\\`, `${userId}/~`]) {
    await eraser.store("generation-inputs", name);
  }
  const foreign = [`${neighbour}/a`, `${userId}`, `${userId}0/a`, `${userId}.png`, `x/${userId}/a`];
  for (const name of foreign) await eraser.store("generation-inputs", name);
  const others = async () =>
    (await sql`select name from storage.objects where not starts_with(name, ${userId + "/"})`).length;
  await eraser.deleteUser(userId);
  await eraser.sweep();
  expect(await eraser.removeDue()).toHaveLength(7);
  expect(await eraser.objects(userId)).toEqual([]);
  expect(await others()).toBe(foreign.length);
});

test("the sweep wakes its function for the objects in the same run", async () => {
  const userId = await db.addUser();
  await eraser.store("generation-inputs", `${userId}/photo`);
  await sql`select vault.create_secret('http://127.0.0.1:9', 'genflow_functions_url'), vault.create_secret('secret', 'genflow_sweep_secret')`;
  await eraser.deleteUser(userId);
  await eraser.sweep();
  expect(await sql`select counts from genflow.sweeps`).toMatchObject([{ counts: { erasures: 1, woke: 1 } }]);
});

test("what the last token uploads, and what it signed, is found too; the erasure ends no sooner", async () => {
  const userId = await db.addUser();
  await eraser.call(userId, "my_account()");
  await eraser.deleteUser(userId);
  await eraser.sweep();
  for (const after of [0.2 * hour, 0.7 * hour, 2 * hour]) {
    await eraser.store("generation-inputs", `${userId}/late`);
    await db.advance(after);
    await eraser.sweep();
    expect(await eraser.removeDue()).toEqual([`generation-inputs/${userId}/late`]);
    expect(await eraser.objects(userId)).toEqual([]);
  }
  expect(await eraser.erasure(userId)).toMatchObject({ finished_at: null });
  await eraser.store("generation-inputs", `${userId}/last`);
  await db.advance(0.2 * hour);
  // The time is over, but here is one: it is purged, and only what finds nothing ends it.
  await eraser.sweep();
  expect(await eraser.erasure(userId)).toBeDefined();
  expect(await eraser.removeDue()).toEqual([`generation-inputs/${userId}/last`]);
  await db.advance(60);
  await eraser.sweep();
  expect(await eraser.erasure(userId)).toBeUndefined();
  expect(await eraser.traces(userId)).toEqual([]);
  expect(await sql`select user_id, ledger_user_id, finished_at is not null as finished from genflow.erasures`)
    .toEqual([{ user_id: null, ledger_user_id: null, finished: true }]);
});

test("finished erasures are history, and pruned like the sweep's", async () => {
  await sql`insert into genflow.erasures (asked_by, ledger_user_id, due_at, finished_at)
    select 'deletion', null, null, now() - make_interval(days => n) from generate_series(1, 20) n`;
  const userId = await db.addUser();
  await eraser.deleteUser(userId);
  await eraser.finish(userId);
  expect(await sql`select from genflow.erasures`).toHaveLength(20 - 10 + 1);
  const secondId = await db.addUser();
  await eraser.deleteUser(secondId);
  await eraser.finish(secondId);
  // Three days' worth, and the two.
  expect(await sql`select from genflow.erasures`).toHaveLength(4);
});

test("purges stand in the order of bytes, whatever the database's own order: a user's own begin with his id", async () => {
  const [row] = await sql`
    select attcollation::regcollation::text as collation from pg_attribute
    where attrelid = 'genflow.storage_purges'::regclass and attname = 'path'`;
  expect(row).toEqual({ collation: '"C"' });
});

test("an erasure watches for as long as the project's tokens are good", async () => {
  await db.settings({ user_token_seconds: 24 * hour });
  const userId = await db.addUser();
  await eraser.deleteUser(userId);
  await eraser.sweep();
  await db.advance(26 * hour - 60);
  await eraser.sweep();
  expect(await eraser.erasure(userId)).toBeDefined();
  await db.advance(60);
  await eraser.sweep();
  expect(await eraser.erasure(userId)).toBeUndefined();
});

test("a worker with an old lease stores its picture late, and the picture goes", async () => {
  const userId = await db.addUser();
  const { attemptId } = await scenario.delivered(userId);
  const persist = await scenario.lease(attemptId);
  await eraser.deleteUser(userId);
  await eraser.sweep();
  await eraser.store("generations", persist.images[0]!.path);
  expect(await scenario.store(persist)).toEqual({ recorded: false });
  expect(await scenario.complete(persist)).toMatchObject({ status: null });
  // Its own purge stands since the lease was given, and waits until nobody can be writing any more.
  await db.advance(600);
  await eraser.sweep();
  expect(await eraser.removeDue()).toEqual([`generations/${persist.images[0]!.path}`]);
  await eraser.finish(userId);
  expect(await eraser.traces(userId)).toEqual([]);
});

test("an erasure whose rows go late watches until no function can be storing from then", async () => {
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  await eraser.deleteUser(userId);
  await db.advance(4 * hour - 600);
  await eraser.sweep();
  await eraser.sweep();
  expect(await sql`select from public.generation_jobs where id = ${sent.jobId}`).toHaveLength(0);
  await db.advance(539);
  await eraser.sweep();
  expect(await eraser.erasure(userId)).toBeDefined();
  await db.advance(1);
  await eraser.sweep();
  expect(await eraser.erasure(userId)).toBeUndefined();
});

test("while Storage removes nothing the erasure stays, and says so", async () => {
  const userId = await db.addUser();
  await eraser.store("generation-inputs", `${userId}/photo`);
  await eraser.deleteUser(userId);
  for (let hours = 0; hours < 10; hours++) {
    await eraser.sweep();
    await db.advance(hour);
  }
  expect(await eraser.erasure(userId)).toMatchObject({ finished_at: null, rows_gone_at: expect.any(Date) });
  await eraser.removeDue();
  await eraser.sweep();
  expect(await eraser.erasure(userId)).toBeUndefined();
});

test("an object that may still come keeps the erasure open until its last purge is over", async () => {
  const userId = await db.addUser();
  await scenario.lease((await scenario.delivered(userId)).attemptId);
  await eraser.deleteUser(userId);
  await eraser.sweep();
  await db.advance(4 * hour);
  for (const rounds of [2, 1]) {
    await eraser.sweep();
    expect(await eraser.erasure(userId)).toBeDefined();
    expect(await sql`select rounds_left from genflow.storage_purges`).toEqual([{ rounds_left: rounds }]);
    expect(await eraser.removeDue()).toHaveLength(1);
    await db.advance(400);
  }
  await eraser.sweep();
  expect(await eraser.traces(userId)).toEqual([]);
});

test("a purge that is under way is not begun anew", async () => {
  const userId = await db.addUser();
  await eraser.store("generation-inputs", `${userId}/photo`);
  await eraser.deleteUser(userId);
  await eraser.sweep();
  const { purges } = await kernel.claimPurges("00000000-0000-4000-8000-000000000001", 10);
  expect(purges).toHaveLength(1);
  await sql`update genflow.erasures set due_at = genflow.clock()`;
  await eraser.sweep();
  expect((await kernel.claimPurges("00000000-0000-4000-8000-000000000002", 10)).purges).toEqual([]);
});

test("a look at 500 of a user's objects reads no more with 20,000 objects of others than with 2,000", async () => {
  const userId = await db.addUser();
  const cost = async (objects: number) => {
    await sql`insert into storage.objects (bucket_id, name)
      select 'generations', gen_random_uuid() || '/a/0-b' from generate_series(1, ${objects}::integer)`;
    await sql`insert into genflow.storage_purges (bucket_id, path, reason, due_at, done_at)
      select bucket_id, name, 'deleted', now(), now() from storage.objects on conflict do nothing`;
    await sql`analyze storage.objects, genflow.storage_purges`;
    await sql`update genflow.erasures set due_at = genflow.clock()`;
    const [row] = await sql<{ "QUERY PLAN": [{ Plan: Record<string, number> }] }[]>`
      explain (analyze, buffers, format json) select genflow.sweep_upkeep('erasures')`;
    const { Plan: plan } = row!["QUERY PLAN"][0];
    return (plan["Shared Hit Blocks"] ?? NaN) + (plan["Shared Read Blocks"] ?? NaN);
  };
  await eraser.deleteUser(userId);
  await eraser.sweep();
  await db.advance(4 * hour); // every look, the last one included
  const few = await cost(2000);
  expect(few).toBeGreaterThan(0);
  await sql`delete from genflow.erasures`;
  await sql`insert into genflow.erasures (user_id, asked_by, asked_at, rows_gone_at)
    values (${userId}, 'deletion', now() - interval '1 day', now() - interval '1 day')`;
  expect(await cost(18_000)).toBeLessThan(2 * few);
});
