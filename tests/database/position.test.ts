import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { fillQueue, numberedUser } from "./eta-queue.ts";
import { createScenario, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

const expectedSeconds = 4; // of flux-schnell, which every job here asks for
const queueDeadlineSeconds = 86_400;

interface Queue {
  position: number;
  exact: boolean;
  etaSeconds: number;
}

async function started(userId: string): Promise<Queue> {
  const answer = await kernel.start(startArguments(userId));
  if (!answer.ok) throw new Error(answer.error.code);
  return answer.queue;
}

async function queueOf(jobId: string): Promise<Queue> {
  const [row] = await sql<{ queue: Queue }[]>`select genflow.queue_json(${jobId}) as queue`;
  return row!.queue;
}

/** The job that is last in the turns. */
async function lastReady(): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select id from public.generation_jobs where ready_at is not null order by ready_order desc, id desc limit 1`;
  return row!.id;
}

/** The ready jobs that are first in the turns are gone, as if they had been claimed. */
async function takeFirst(count: number): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`delete from public.generation_jobs where id in (
      select id from public.generation_jobs where ready_at is not null order by ready_order, id limit ${count})`;
  });
}

test("behind 99 ready jobs the position is 99 and exact; behind 100 it is 100 and not exact", async () => {
  await fillQueue(sql, { firstUser: 1, users: 99, jobsEach: 1, readySince: 60 });
  expect(await started(await db.addUser())).toMatchObject({ position: 99, exact: true });
  expect(await started(await db.addUser())).toMatchObject({ position: 100, exact: false });
  expect(await started(await db.addUser())).toMatchObject({ position: 100, exact: false });
});

test("a job that is not ready counts its user's own before it, and of the others those that it cannot get ahead of", async () => {
  await db.settings({ user_running_cap: 1 });
  const proId = await db.addUser();
  await db.account(proId, { priority_class: "pro" }); // 180 s ahead
  await scenario.start(await db.addUser());
  await db.advance(100);
  await scenario.start(await db.addUser());
  await db.advance(100);
  await started(proId); // gets between the two
  expect(await started(proId)).toMatchObject({ position: 2, exact: false }); // the first one, its own ready one
  expect(await started(proId)).toMatchObject({ position: 3, exact: false });
});

test("an own job that waits for its delay is not certain to come first, and comes first once it is over", async () => {
  await db.settings({ user_running_cap: 1 });
  await db.fixRandom(0.5);
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  await started(userId);
  expect(await started(userId)).toMatchObject({ position: 1 });
  await scenario.record(sent, { kind: "rejected", class: "provider_error" });
  // Delayed by 2.5 s: the second job has the slot by now, and the third has only it before it.
  expect(await started(userId)).toMatchObject({ position: 2, exact: false });
  await db.advance(3);
  expect(await started(userId)).toMatchObject({ position: 4, exact: false });
  expect(await queueOf(sent.jobId)).toMatchObject({ position: 0, exact: true });
});

test("a job's eta is its model's time when a slot is free, and the time of those ahead over the provider's slots when none is", async () => {
  await db.provider({ running_cap: 2 });
  const etas = [];
  for (let count = 0; count < 6; count++) etas.push((await started(await db.addUser())).etaSeconds);
  expect(etas).toEqual([4, 4, 6, 8, 10, 12]);
});

test("where starts are scarcer than slots the eta follows the start bucket", async () => {
  await db.provider({ start_burst: 2, starts_per_minute: 6 });
  const etas = [];
  for (let count = 0; count < 4; count++) etas.push((await started(await db.addUser())).etaSeconds);
  expect(etas).toEqual([4, 4, 14, 24]);
});

test("a user's own cap is in the eta of a job that waits for it", async () => {
  await db.settings({ user_running_cap: 2 });
  const userId = await db.addUser();
  await scenario.running(userId);
  await scenario.running(userId);
  const etas = [];
  for (let count = 0; count < 3; count++) etas.push((await started(userId)).etaSeconds);
  expect(etas).toEqual([6, 8, 10]);
});

test("each of a user's jobs that is not running waits for its turn among the others' jobs", async () => {
  await db.settings({ user_running_cap: 1 });
  await db.provider({ running_cap: 1 });
  for (let others = 0; others < 3; others++) await scenario.start(await db.addUser());
  const userId = await db.addUser();
  const etas = [];
  for (let count = 0; count < 2; count++) etas.push((await started(userId)).etaSeconds);
  // Behind three; and, once that one has ended, behind three again.
  expect(etas).toEqual([16, 32]);
});

test("a pause and an open breaker are waited for, and the slots that come free meanwhile are counted", async () => {
  await db.provider({ running_cap: 1 });
  const running = await scenario.running(await db.addUser());
  const jobId = await scenario.start(await db.addUser());
  expect((await queueOf(jobId)).etaSeconds).toBe(8);
  await sql`update genflow.provider set paused_until = genflow.clock() + interval '60 seconds'`;
  expect((await queueOf(jobId)).etaSeconds).toBe(60 + expectedSeconds);
  await sql`update genflow.provider set paused_until = null, breaker_open_until = genflow.clock() + interval '30 seconds'`;
  expect((await queueOf(jobId)).etaSeconds).toBe(30 + expectedSeconds);
  await db.advance(31);
  expect((await queueOf(jobId)).etaSeconds).toBe(8);
  await scenario.fail(running.taskId, "task_failed");
  expect((await queueOf(jobId)).etaSeconds).toBe(expectedSeconds);
});

test("a requeued job's delay is in its eta", async () => {
  const sent = await scenario.sent(await db.addUser());
  await scenario.record(sent, { kind: "rejected", class: "provider_error" });
  await sql`update public.generation_jobs set not_before = genflow.clock() + interval '200 seconds'`;
  expect((await queueOf(sent.jobId)).etaSeconds).toBe(200 + expectedSeconds);
});

test("a job that nothing lets run is told the time to its queue deadline", async () => {
  const userId = await db.addUser();
  const readyId = await scenario.start(userId);
  const longest = queueDeadlineSeconds + expectedSeconds;
  expect((await queueOf(readyId)).etaSeconds).toBe(expectedSeconds);
  await db.provider({ running_cap: 0 });
  expect((await queueOf(readyId)).etaSeconds).toBe(longest);
  await db.provider({ running_cap: 1, balance_usd: 1 });
  await db.settings({ min_provider_balance_usd: 2 });
  expect((await queueOf(readyId)).etaSeconds).toBe(longest);
  await db.provider({ balance_usd: 3 });
  await db.settings({ user_running_cap: 0 });
  expect((await started(await db.addUser())).etaSeconds).toBe(longest);
  await db.provider({ running_cap: 0 });
  await db.advance(1000);
  expect((await queueOf(readyId)).etaSeconds).toBe(longest - 1000);
});

test("a running job has the rest of its time, at least a second, and an ended one none", async () => {
  const { jobId, attemptId, taskId } = await scenario.running(await db.addUser());
  expect(await queueOf(jobId)).toEqual({ position: 0, exact: true, etaSeconds: expectedSeconds, hold: null });
  await db.advance(3);
  expect((await queueOf(jobId)).etaSeconds).toBe(1);
  await db.advance(100);
  expect((await queueOf(jobId)).etaSeconds).toBe(1);
  await sql`insert into genflow.estimates (model_id, turn_seconds, slot_seconds, storing_seconds, deliveries, measured_to)
    values ('flux-schnell', 120, 6, 5, 5, now())`;
  expect((await queueOf(jobId)).etaSeconds).toBe(17);
  await scenario.deliver(taskId);
  expect((await queueOf(jobId)).etaSeconds).toBe(5);
  await db.advance(2);
  expect((await queueOf(jobId)).etaSeconds).toBe(3);
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
  expect(await queueOf(jobId)).toEqual({ position: 0, exact: true, etaSeconds: 0, hold: null });
});

test("far back in a long queue the eta is right without counting: after the sweep, after claims, and for who comes later", async () => {
  await db.provider({ running_cap: 10 });
  const etaBehind = (jobs: number) => Math.round((jobs + 1 - 10) * expectedSeconds / 10 + expectedSeconds);
  await fillQueue(sql, { firstUser: 1, users: 1234, jobsEach: 1, readySince: 600 });
  await sql`select genflow.keep_estimates()`;
  const last = await lastReady();
  expect((await queueOf(last)).etaSeconds).toBe(etaBehind(1233));
  await takeFirst(250);
  expect((await queueOf(last)).etaSeconds).toBe(etaBehind(983));
  const { position, exact, etaSeconds } = await started(await db.addUser());
  expect({ position, exact, etaSeconds }).toEqual({
    position: 100,
    exact: false,
    etaSeconds: etaBehind(984),
  });
  // More come between two sweeps than are counted: as many a second as before, here 300 in 150 s.
  await db.advance(150);
  await fillQueue(sql, { firstUser: 2001, users: 300, jobsEach: 1, readySince: 150 });
  const estimated = (await queueOf(await lastReady())).etaSeconds;
  expect(Math.abs(estimated - etaBehind(1284))).toBeLessThan(0.1 * etaBehind(1284));
  await sql`select genflow.keep_estimates()`;
  expect((await queueOf(await lastReady())).etaSeconds).toBe(etaBehind(1284));
});

test("the milestones are set anew only when the queue has moved, and vanish with it", async () => {
  const keep = async () => (await sql<{ rows: number }[]>`select genflow.keep_estimates() as rows`)[0]!.rows;
  await fillQueue(sql, { firstUser: 1, users: 100, jobsEach: 1, readySince: 600 });
  expect(await keep()).toBe(0);
  await fillQueue(sql, { firstUser: 101, users: 150, jobsEach: 1, readySince: 10 });
  expect(await keep()).toBe(4); // 0, 100, 200 and the last
  expect(await keep()).toBe(0);
  await takeFirst(1);
  expect(await keep()).toBe(4);
  await takeFirst(200);
  expect(await keep()).toBe(4);
  expect(await sql`select from genflow.queue_marks`).toHaveLength(0);
});

/** Pages that one answer touches, asked for as its owner does, by a session that has made its plans. */
async function buffersOf(jobId: string): Promise<number> {
  const [owner] = await sql<
    { user_id: string }[]
  >`select user_id from public.generation_jobs where id = ${jobId}`;
  return await db.asUser(owner!.user_id, async (as) => {
    const explain = () =>
      as.unsafe<{ "QUERY PLAN": { Plan: Record<string, number> }[] }[]>(
        `explain (analyze, buffers, format json) select public.queue_position('${jobId}')`,
      );
    for (let warm = 0; warm < 3; warm++) await explain();
    const plan = (await explain())[0]!["QUERY PLAN"][0]!.Plan;
    return plan["Shared Hit Blocks"]! + plan["Shared Read Blocks"]!;
  });
}

const [short, long] = [1_000, Number(process.env["GENFLOW_QUEUE_JOBS"] ?? 20_000)];

test(
  `position and eta cost the same behind ${long} ready jobs as behind ${short}, and behind as many of one's own that wait`,
  async () => {
    const maxGrowth = 1.5;
    const greedy = 1_000_000;
    const lastWaiting = async () => {
      const [row] = await sql<{ id: string }[]>`
      select id from public.generation_jobs where user_id = ${
        numberedUser(greedy)
      } order by created_at desc, id desc limit 1`;
      return row!.id;
    };
    const measured = [];
    for (const [already, jobs] of [[0, short], [short, long]] as const) {
      await fillQueue(sql, {
        firstUser: already + 1,
        users: jobs - already,
        jobsEach: 1,
        readySince: 600 - already / 10,
      });
      await fillQueue(sql, { firstUser: greedy, users: 1, jobsEach: jobs - already, readySince: null });
      await sql`select genflow.keep_estimates()`;
      measured.push([await buffersOf(await lastReady()), await buffersOf(await lastWaiting())]);
    }
    const [few, many] = measured;
    if (process.env["GENFLOW_QUEUE_JOBS"] !== undefined) console.log({ buffersFew: few, buffersMany: many });
    for (const at of [0, 1]) expect(many![at]).toBeLessThanOrEqual(maxGrowth * few![at]!);
  },
  120_000,
);

test("milestones within a moment and a place hours behind them make a position and no error", async () => {
  await fillQueue(sql, { firstUser: 1, users: 400, jobsEach: 1, readySince: 0 });
  await sql`update public.generation_jobs j set ready_order = j.ready_order + make_interval(secs => 0.000001 * at.row_number)
    from (select id, row_number() over () from public.generation_jobs) at where at.id = j.id`;
  await sql`select genflow.mark_queue()`;
  await db.advance(4 * 3600);
  await fillQueue(sql, { firstUser: 1001, users: 150, jobsEach: 1, readySince: 1 });
  expect(await started(await db.addUser())).toMatchObject({ position: 100, exact: false });
});
