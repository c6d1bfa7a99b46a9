import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

/** Sweeps twice without a warning: the second run finds nothing more to do. */
async function sweep(): Promise<void> {
  expect(await db.sweep()).toEqual([]);
  const before = await sql`select status, seq from public.generation_jobs order by id`;
  expect(await db.sweep()).toEqual([]);
  expect(await sql`select status, seq from public.generation_jobs order by id`).toEqual(before);
}

test("a worker that died before sending: the job is queued again, one attempt burnt, and waits a little", async () => {
  await db.fixRandom(0.5);
  const { jobId, attemptId } = await scenario.claimed(await db.addUser());
  await db.advance(44);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "submitting" });
  await db.advance(2);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued", attempts: 1, ready_at: null });
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_how: "never_sent" });
});

test("a lease that runs out just after the step for leases still returns its job to the queue", async () => {
  const { jobId } = await scenario.claimed(await db.addUser());
  await db.advance(46);
  await sql`select genflow.sweep_step('attempts')`;
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued", attempts: 1 });
});

test("three workers that died before sending end the job as interrupted", async () => {
  await db.fixRandom(0);
  const userId = await db.addUser();
  const jobId = await scenario.start(userId);
  for (let attempt = 0; attempt < 3; attempt++) {
    expect(await scenario.claim()).toHaveLength(1);
    await db.advance(46);
    await sweep();
  }
  expect(await scenario.job(jobId)).toMatchObject({
    status: "failed",
    error_code: "interrupted",
    retryable: true,
  });
  expect(await scenario.balance(userId)).toBe(20);
});

test("a worker that died after sending: unknown at the lease's end, failed after the grace, credits back, slot kept", async () => {
  await db.settings({ user_running_cap: 1 });
  const userId = await db.addUser();
  const { jobId, attemptId } = await scenario.sent(userId);
  await scenario.start(userId);
  await db.advance(61);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "unknown" });
  await db.advance(595);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "unknown" });
  await db.advance(6);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({
    status: "failed",
    error_code: "submit_unknown",
    retryable: true,
  });
  expect(await scenario.closings(jobId)).toEqual([{ amount: 1, captured: 0 }]);
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_at: null });
  expect(await scenario.claim()).toEqual([]);
  await db.advance(3600);
  await sweep();
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_how: "abandoned" });
  expect(await scenario.claim()).toHaveLength(1);
});

test("a job that waited a day in the queue expires and is released, however often it was requeued", async () => {
  const userId = await db.addUser();
  await db.settings({ user_running_cap: 0 });
  const jobId = await scenario.start(userId);
  await db.advance(86_390);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued" });
  await db.advance(20);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "failed", error_code: "queue_expired" });
  expect(await scenario.balance(userId)).toBe(20);
});

test("a task without a result in half an hour ends the job, and the attempt goes on being polled for three hours", async () => {
  const { jobId, attemptId } = await scenario.running(await db.addUser());
  await db.advance(1795);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "processing" });
  await db.advance(6);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "failed", error_code: "processing_timeout" });
  expect((await kernel.claimPolls(randomUUID(), 1)).polls).toMatchObject([{ attemptId }]);
  await db.advance(9000);
  await sweep();
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_how: "abandoned" });
});

test("storing that is not over after six hours: what was stored is delivered and charged", async () => {
  const userId = await db.addUser();
  const { jobId, attemptId } = await scenario.delivered(userId, 2);
  await scenario.store(await scenario.lease(attemptId), 1);
  await db.advance(21_595);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "persisting" });
  await db.advance(10);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "completed", credits_captured: 1 });
  expect(await scenario.balance(userId)).toBe(19);
});

test("storing that brought nothing in six hours fails the job and releases everything", async () => {
  const userId = await db.addUser();
  const { jobId } = await scenario.delivered(userId, 2);
  await db.advance(21_605);
  await sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "failed", error_code: "storage_timeout" });
  expect(await scenario.balance(userId)).toBe(20);
  expect((await kernel.workDue())["persists"]).toBe(0);
});

test("a raised cap makes waiting jobs ready at the next sweep", async () => {
  await db.settings({ user_running_cap: 1 });
  const userId = await db.addUser();
  for (let count = 0; count < 3; count++) await scenario.start(userId);
  await db.settings({ user_running_cap: 3 });
  await sweep();
  expect(await scenario.claim()).toHaveLength(3);
});

test("promotion reaches every one of 250 users in one sweep, past those who have no slot, and then begins anew", async () => {
  await db.settings({ user_running_cap: 0, sign_up_grant_credits: 1 });
  const users = await Promise.all(Array.from({ length: 250 }, () => db.addUser()));
  await scenario.fill(users, 1);
  await db.settings({ user_running_cap: 1, sweep_seconds: 5 });
  await sql`update genflow.accounts set running_cap = 0 where user_id in (select user_id from genflow.accounts order by 1 limit 150)`;
  await db.sweep();
  expect(await sql`select from public.generation_jobs where ready_at is not null`).toHaveLength(100);
  expect(await sql`select promoted_to from genflow.sweep_state`).toEqual([{ promoted_to: null }]);
});

test("every one of 120 expired jobs ends in one sweep", async () => {
  await db.settings({ user_running_cap: 0, sign_up_grant_credits: 1000 });
  const userId = await db.addUser();
  await scenario.fill([userId], 120);
  await db.advance(86_401);
  await db.sweep();
  expect(await sql`select from public.generation_jobs where status = 'failed'`).toHaveLength(120);
  expect(await scenario.balance(userId)).toBe(1000);
});

test("a job that cannot be moved is left with a warning that says which, and stops no other", async () => {
  const [poorId, userId] = [await db.addUser(), await db.addUser()];
  const poison = await scenario.start(poorId);
  const jobs = [await scenario.start(userId), await scenario.start(userId)];
  await sql`update public.generation_jobs set credits_captured = null, credits_held = 1000000000, created_at = created_at - interval '1 hour' where id = ${poison}`;
  await sql`update genflow.accounts set balance = 2000000000 where user_id = ${poorId}`; // its release would overflow
  await db.settings({ queue_deadline_seconds: 1 });
  await db.advance(2);
  const warnings = await db.sweep();
  expect(warnings).toHaveLength(2); // the batch that moved the others, and the one that found only this
  expect(warnings[0]).toMatch(
    new RegExp(`step deadlines left job ${poison} where it is: integer out of range`),
  );
  expect(await scenario.job(poison)).toMatchObject({ status: "queued" });
  for (const jobId of jobs) expect(await scenario.job(jobId)).toMatchObject({ status: "failed" });
});

test("two sweeps at once do each thing once", async () => {
  const userId = await db.addUser();
  await db.settings({ user_running_cap: 0 });
  for (let count = 0; count < 15; count++) await scenario.start(userId);
  await db.advance(86_401);
  await Promise.all([db.sweep(), sql`call genflow.sweep()`]);
  expect(await scenario.balance(userId)).toBe(20);
  expect(await sql`select from public.generation_events where event = 'failed'`).toHaveLength(15);
});

test("each sweep is written down with what it moved, and history past its days is pruned, pg_cron's too", async () => {
  await sql`insert into cron.job_run_details (jobid, username, end_time) values (1, 'postgres', now()), (1, 'postgres', now() + interval '100 hours')`;
  await kernel.recordSweep({ startedAt: new Date().toISOString(), counts: { polls: 2 }, errors: 1 });
  await scenario.claimed(await db.addUser());
  await db.advance(46);
  await db.sweep();
  expect(
    await sql`select kind, counts, errors, finished_at is not null as finished from genflow.sweeps order by id`,
  ).toEqual([
    { kind: "http", counts: { polls: 2 }, errors: 1, finished: true },
    {
      kind: "sql",
      counts: {
        leases: 1,
        deadlines: 0,
        unknowns: 0,
        attempts: 0,
        estimates: 0,
        inputs: 0,
        vanished: 0,
        erasures: 0,
        pruned: 0,
        woke: 0,
      },
      errors: 0,
      finished: true,
    },
  ]);
  await db.advance(3 * 86_400);
  await db.sweep();
  expect(await sql`select from genflow.sweeps`).toHaveLength(1);
  expect(await sql`select from cron.job_run_details`).toHaveLength(1);
  await sql`truncate cron.job_run_details`;
});

test("a sweep stops after its seconds and leaves the rest to the next", async () => {
  await db.settings({ user_running_cap: 0, sign_up_grant_credits: 1000, sweep_seconds: 1 });
  const userId = await db.addUser();
  await scenario.fill([userId], 150);
  await db.advance(86_401);
  // Time flies: each reading of the clock is half a second later.
  await sql.unsafe(`create sequence genflow.flying; grant usage on sequence genflow.flying to postgres;
    alter function genflow.clock() rename to steady_clock;
    create function genflow.clock() returns timestamptz language sql volatile security definer set search_path = ''
      as $$ select genflow.steady_clock() + make_interval(secs => nextval('genflow.flying') * 0.5) $$`);
  await db.sweep();
  expect(await sql`select from public.generation_jobs where status = 'failed'`).toHaveLength(100);
  await sql.unsafe(
    "drop function genflow.clock(); alter function genflow.steady_clock() rename to clock; drop sequence genflow.flying",
  );
});

test("who holds an account keeps its user's jobs from the sweep, and nobody else's", async () => {
  const userIds = [await db.addUser(), await db.addUser(), await db.addUser()].toSorted();
  for (const userId of userIds) {
    await scenario.delivered(userId);
    await scenario.start(userId);
  }
  await db.advance(90_000);
  const ended = async () =>
    (await sql<
      { user_id: string }[]
    >`select distinct user_id from public.generation_jobs where ended_at is not null`)
      .map((row) => row.user_id).toSorted();
  await sql.begin(async (holding) => {
    await holding`select genflow.lock_account(${userIds[0]!})`;
    expect(await db.sweep()).toEqual([]);
    expect(await ended()).toEqual(userIds.slice(1));
  });
  await db.sweep();
  expect(await ended()).toEqual(userIds);
});

test("whoever stores just any due job passes over one whose account is busy", async () => {
  const [busyId, freeId] = [await db.addUser(), await db.addUser()];
  const [busy, free] = [await scenario.delivered(busyId), await scenario.delivered(freeId)];
  await sql.begin(async (holding) => {
    await holding`select genflow.lock_account(${busyId})`;
    const { claims } = await kernel.claimPersists(randomUUID(), 1);
    expect(claims.map((claim) => claim.attemptId)).toEqual([free.attemptId]);
  });
  expect((await kernel.claimPersists(randomUUID(), 1)).claims.map((claim) => claim.attemptId)).toEqual([
    busy.attemptId,
  ]);
});

test("a page of jobs that cannot be moved does not hide those behind it", async () => {
  await db.settings({ sign_up_grant_credits: 1000 });
  const [busyId, freeId] = [await db.addUser(), await db.addUser()];
  await scenario.fill([busyId], 110);
  await db.advance(1);
  const jobId = await scenario.start(freeId);
  await db.advance(90_000);
  await sql.begin(async (holding) => {
    await holding`select genflow.lock_account(${busyId})`;
    expect(await db.sweep()).toEqual([]);
    expect(await scenario.job(jobId)).toMatchObject({ status: "failed", error_code: "queue_expired" });
  });
});
