// Each rule of ops.invariant_violations finds what breaks it, and lives that keep the promises show no row.

import type { TransactionSql } from "postgres";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

/** Nobody's. */
const strangerId = "00000000-0000-4000-a000-000000000001";

async function rulesBroken(transaction: TransactionSql | typeof sql = sql): Promise<string[]> {
  const rows = await transaction<{ rule: string }[]>`
    select distinct rule from ops.invariant_violations order by rule`;
  return rows.map(({ rule }) => rule);
}

/** The rules that find harm which nothing but a superuser without triggers and constraints can do. It does not stay. */
async function rulesBrokenBy(harm: (transaction: TransactionSql) => Promise<unknown>): Promise<string[]> {
  const undo = new Error("undo");
  let rules: string[] = [];
  const trial = sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction.unsafe(unconstrained);
    await harm(transaction);
    rules = await rulesBroken(transaction);
    throw undo;
  });
  await expect(trial).rejects.toBe(undo);
  return rules;
}
const unconstrained = `do $$ declare statement text; begin
  for statement in
    select format('alter table %s drop constraint %I', conrelid::regclass, conname) from pg_constraint
      where contype in ('c', 'u') and conrelid::regclass::text = any (array['generation_jobs', 'genflow.attempts', 'genflow.accounts', 'credit_entries'])
    union all
    select format('drop index %s', indexrelid::regclass) from pg_index
      where indisunique and indpred is not null and indrelid = 'public.credit_entries'::regclass
  loop execute statement; end loop; end $$`;

const lives = {
  queued: (userId: string) => scenario.start(userId),
  sent: async (userId: string) => (await scenario.sent(userId)).jobId,
  running: async (userId: string) => (await scenario.running(userId)).jobId,
  delivered: async (userId: string) => (await scenario.delivered(userId)).jobId,
  completed: async (userId: string) => (await scenario.completed(userId)).jobId,
  async canceledInVain(userId: string) {
    const { jobId, taskId } = await scenario.running(userId);
    await kernel.cancel(userId, jobId);
    await scenario.fail(taskId, "cancelled");
    return jobId;
  },
  async canceledLate(userId: string) {
    const { jobId, taskId } = await scenario.running(userId);
    await kernel.cancel(userId, jobId);
    await scenario.deliver(taskId);
    return jobId;
  },
  async canceled(userId: string) {
    const { jobId } = await scenario.running(userId);
    await kernel.cancel(userId, jobId);
    return jobId;
  },
};
type Harm = (transaction: TransactionSql, jobId: string, userId: string) => Promise<unknown>;

const harms: [rule: string, what: string, life: keyof typeof lives, harm: Harm][] = [
  [
    "a key has one job",
    "a second job of the same key",
    "queued",
    (t, jobId) =>
      t`insert into public.generation_jobs
      select (jsonb_populate_record(j, jsonb_build_object('id', ${strangerId}::text))).* from public.generation_jobs j where id = ${jobId}`,
  ],
  [
    "an attempt follows the end of the one before it",
    "a second open attempt",
    "running",
    (t, jobId) =>
      t`insert into genflow.attempts
      select (jsonb_populate_record(a, jsonb_build_object('id', ${strangerId}::text, 'number', 2))).* from genflow.attempts a where job_id = ${jobId}`,
  ],
  [
    "what was not sent has no task",
    "a task of a submit that was never sent",
    "running",
    (t, jobId) => t`update genflow.attempts set sent_at = null where job_id = ${jobId}`,
  ],
  [
    "a running job follows an attempt of its own",
    "another job's attempt",
    "running",
    (t, jobId) => t`update public.generation_jobs set attempt_id = ${strangerId} where id = ${jobId}`,
  ],
  [
    "a balance is the sum of its user's entries",
    "a balance moved alone",
    "completed",
    (t, _, userId) => t`update genflow.accounts set balance = balance + 1 where user_id = ${userId}`,
  ],
  ["a balance is the sum of its user's entries", "a negative balance", "completed", async (t, _, userId) => {
    await t`update genflow.accounts set balance = -1 where user_id = ${userId}`;
    await t`update public.credit_entries set amount = amount - 1 - (select sum(amount) from public.credit_entries where user_id = ${userId})
      where user_id = ${userId} and kind = 'grant'`;
  }],
  [
    "a job has one reserve, of its frozen price times its pictures",
    "a reserve too few",
    "queued",
    (t, jobId) => t`delete from public.credit_entries where job_id = ${jobId}`,
  ],
  [
    "a job has one reserve, of its frozen price times its pictures",
    "a reserve too many",
    "queued",
    (t, jobId) =>
      t`insert into public.credit_entries overriding system value
      select (jsonb_populate_record(e, '{"id": -1}')).* from public.credit_entries e where job_id = ${jobId}`,
  ],
  [
    "a job has one reserve, of its frozen price times its pictures",
    "a hold that is not its price",
    "queued",
    (t, jobId) =>
      t`update public.generation_jobs set credits_per_image = credits_per_image + 1 where id = ${jobId}`,
  ],
  [
    "a hold closes once, and what is captured and released is what was held",
    "a second closing",
    "completed",
    (t, jobId) =>
      t`insert into public.credit_entries overriding system value
      select (jsonb_populate_record(e, '{"id": -1}')).* from public.credit_entries e where job_id = ${jobId} and kind = 'close'`,
  ],
  [
    "a hold closes once, and what is captured and released is what was held",
    "a closing that gives back more",
    "completed",
    (t, jobId) =>
      t`update public.credit_entries set amount = amount + 1 where job_id = ${jobId} and kind = 'close'`,
  ],
  [
    "a hold closes once, and what is captured and released is what was held",
    "a closing without an entry",
    "completed",
    (t, jobId) => t`delete from public.credit_entries where job_id = ${jobId} and kind = 'close'`,
  ],
  [
    "no hold outlives its job and attempts",
    "a canceled job whose attempt has ended",
    "canceled",
    (t, jobId) =>
      t`update genflow.attempts set closed_at = sent_at, closed_how = 'failed' where job_id = ${jobId}`,
  ],
  [
    "only a canceled job ends with an open hold, and none that goes on has closed its own",
    "a failed job with its hold",
    "canceled",
    (t, jobId) => t`update public.generation_jobs set status = 'failed' where id = ${jobId}`,
  ],
  [
    "only a canceled job ends with an open hold, and none that goes on has closed its own",
    "a queued job without one",
    "queued",
    (t, jobId) => t`update public.generation_jobs set credits_captured = 0 where id = ${jobId}`,
  ],
  [
    "a completed job is charged for its pictures and a failed one for nothing",
    "completed without a picture",
    "completed",
    (t, jobId) => t`delete from public.generation_images where job_id = ${jobId}`,
  ],
  [
    "a completed job is charged for its pictures and a failed one for nothing",
    "failed and paid",
    "completed",
    (t, jobId) => t`update public.generation_jobs set status = 'failed' where id = ${jobId}`,
  ],
  [
    "a canceled job is charged for what had been delivered",
    "canceled, undelivered and paid",
    "canceledInVain",
    (t, jobId) => t`update public.generation_jobs set credits_captured = credits_held where id = ${jobId}`,
  ],
  [
    "a canceled job is charged for what had been delivered",
    "canceled, delivered and not paid",
    "canceledLate",
    (t, jobId) => t`update public.generation_jobs set credits_captured = 0 where id = ${jobId}`,
  ],
  [
    "what belongs to a job belongs to its user",
    "a stranger's picture",
    "completed",
    (t, jobId) => t`update public.generation_images set user_id = ${strangerId} where job_id = ${jobId}`,
  ],
  [
    "what belongs to a job belongs to its user",
    "a picture in a stranger's folder",
    "completed",
    (t, jobId) =>
      t`update public.generation_images set path = ${strangerId} || substr(path, 37) where job_id = ${jobId}`,
  ],
  [
    "what belongs to a job belongs to its user",
    "a stranger's event",
    "queued",
    (t, jobId) => t`update public.generation_events set user_id = ${strangerId} where job_id = ${jobId}`,
  ],
  [
    "what belongs to a job belongs to its user",
    "a stranger's attempt",
    "running",
    (t, jobId) => t`update genflow.attempts set user_id = ${strangerId} where job_id = ${jobId}`,
  ],
  [
    "what belongs to a job belongs to its user",
    "a stranger's words",
    "queued",
    (t, jobId) => t`update public.generation_prompts set user_id = ${strangerId} where job_id = ${jobId}`,
  ],
];

test("lives that keep the promises show no row", async () => {
  const userId = await db.addUser();
  for (
    const live of [
      lives.completed,
      lives.canceled,
      lives.canceledLate,
      lives.delivered,
      lives.running,
      lives.sent,
      lives.queued,
    ]
  ) {
    await live(userId);
  }
  expect(await rulesBroken()).toEqual([]);
});

test.each(harms)("%s: %s is found", async (rule, _, life, harm) => {
  const userId = await db.addUser();
  const jobId = await lives[life](userId);
  expect(await rulesBroken()).toEqual([]);
  expect(await rulesBrokenBy((transaction) => harm(transaction, jobId, userId))).toContain(rule);
});

test.each(
  [
    ["queued", "queue_deadline_seconds", (userId) => lives.queued(userId)],
    ["unknown", "unknown_grace_seconds", async (userId) => {
      await scenario.record(await scenario.sent(userId), { kind: "unknown", cause: "timeout" });
    }],
    ["running", "processing_deadline_seconds", (userId) => lives.running(userId)],
    ["delivered", "persist_deadline_seconds", (userId) => lives.delivered(userId)],
    ["canceled, its attempt open", "attempt_max_age_with_task_seconds", (userId) => lives.canceled(userId)],
  ] satisfies [string, string, (userId: string) => Promise<unknown>][],
)(
  "everything ends in time: %s is found a quarter of an hour after its deadline",
  async (_, deadline, live) => {
    await live(await db.addUser());
    const [settings] = await sql`select * from genflow.settings`;
    const leaseSeconds = deadline === "unknown_grace_seconds" ? Number(settings!["submit_lease_seconds"]) : 0;
    await db.advance(Number(settings![deadline]) + leaseSeconds + 14 * 60);
    expect(await rulesBroken()).toEqual([]);
    await db.advance(2 * 60);
    expect(await rulesBroken()).toEqual(["everything ends in time"]);
  },
);

test.each(
  [
    [
      "the provider's",
      "no claim is made over the provider's cap",
      () => db.provider({ running_cap: 1 }),
      () => sql`update genflow.provider set running_cap_at = '-infinity'`,
    ],
    [
      "the default of users",
      "no claim is made over its user's cap",
      () => db.settings({ user_running_cap: 1 }),
      () => sql`update genflow.settings set user_running_cap_at = '-infinity'`,
    ],
    [
      "one user's",
      "no claim is made over its user's cap",
      (userId) => db.account(userId, { running_cap: 1 }),
      () => sql`update genflow.accounts set running_cap_at = '-infinity'`,
    ],
  ] satisfies [string, string, (userId: string) => Promise<unknown>, () => Promise<unknown>][],
)(
  "%s cap is broken by claims made while it stood, not by those made before it was lowered",
  async (_, rule, lower, backdate) => {
    const userId = await db.addUser();
    // Before anything: no cap has ever been set.
    await sql`update genflow.provider set running_cap_at = '-infinity'`;
    await sql`update genflow.settings set user_running_cap_at = '-infinity'`;
    await lives.running(userId);
    await lives.running(userId);
    await db.advance(120);
    await lower(userId);
    expect(await rulesBroken()).toEqual([]);
    await backdate();
    expect(await rulesBroken()).toEqual([rule]);
  },
);

test("no ready job is passed over: a job of another user that came later and was claimed long after is found", async () => {
  const [early, late] = [await db.addUser(), await db.addUser()];
  await lives.queued(early);
  await db.advance(180);
  const jobId = await lives.queued(late);
  expect(await rulesBroken()).toEqual([]);
  const rules = await rulesBrokenBy(async (t) => {
    await t`update public.generation_jobs set ready_at = null, status = 'submitting', attempt_id = ${strangerId} where id = ${jobId}`;
    await t`insert into genflow.attempts (id, job_id, user_id, number, model_id, claim_id, claimed_at, lease_expires_at)
      select ${strangerId}, id, user_id, 1, model_id, ${strangerId}, genflow.clock(), genflow.clock() + interval '1 minute'
      from public.generation_jobs where id = ${jobId}`;
  });
  expect(rules).toEqual(["no ready job is passed over"]);
});
