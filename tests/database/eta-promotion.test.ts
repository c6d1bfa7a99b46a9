import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { fillQueue, numberedUser } from "./eta-queue.ts";

const db = await openDatabase();
const { sql } = db;

/** More than a batch of the sweep looks at without a lock, so that it goes on from where it stopped. */
const users = Number(process.env["GENFLOW_PROMOTED_USERS"] ?? 2_500);
const jobsEach = 2;

async function ready(): Promise<number> {
  return (await sql`select from public.generation_jobs where ready_at is not null`).length;
}

/** Row locks leave their transaction in xmax: who still has 0 was never locked. */
async function lockedAccounts(): Promise<number> {
  return (await sql`select from genflow.accounts where xmax <> 0`).length;
}

test(
  `a raised cap is used within one sweep by all of ${users} users with waiting jobs; who has no slot is not even locked`,
  async () => {
    await fillQueue(sql, { firstUser: 1, users, jobsEach, readySince: null });
    await db.settings({ user_running_cap: 0 });
    const beganMs = Date.now();
    expect(await db.sweep()).toEqual([]);
    const idleMs = Date.now() - beganMs;
    expect([await ready(), await lockedAccounts()]).toEqual([0, 0]);

    await db.settings({ user_running_cap: 1 });
    const raisedMs = Date.now();
    expect(await db.sweep()).toEqual([]);
    const promotedMs = Date.now() - raisedMs;
    expect(await ready()).toBe(users);
    expect(await sql`select promoted_to from genflow.sweep_state`).toEqual([{ promoted_to: null }]);
    if (users > 10_000) console.log({ users, idleMs, promotedMs });
  },
  120_000,
);

test("delays that run out are used within one sweep, and those that have not are left without a lock", async () => {
  await fillQueue(sql, { firstUser: 1, users: 300, jobsEach: 1, readySince: null });
  await sql`update public.generation_jobs set not_before = genflow.clock() + make_interval(secs => case when user_id <= ${
    numberedUser(120)
  } then 10 else 100 end)`;
  await db.sweep();
  expect([await ready(), await lockedAccounts()]).toEqual([0, 0]);
  await db.advance(11);
  await db.sweep();
  expect([await ready(), await lockedAccounts()]).toEqual([120, 120]);
  await db.advance(90);
  await db.sweep();
  expect(await ready()).toBe(300);
});

test("a sweep without time for all goes on in the next where it stopped, however often it is cut short", async () => {
  await fillQueue(sql, { firstUser: 1, users: 350, jobsEach: 1, readySince: null });
  const promote = async () =>
    (await sql<{ users: number }[]>`select genflow.sweep_promotions() as users`)[0]!.users;
  const seen = [];
  for (let calls = 0; calls < 4; calls++) seen.push([await promote(), await ready()]);
  expect(seen).toEqual([[100, 100], [100, 200], [100, 300], [50, 350]]);
  expect(await sql`select promoted_to from genflow.sweep_state`).toEqual([{ promoted_to: null }]);
});
