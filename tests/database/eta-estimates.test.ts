import { randomUUID } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

const catalogue = await sql`select id, expected_seconds from public.generation_models`;
afterEach(async () => {
  for (const { id, expected_seconds } of catalogue) {
    await sql`update public.generation_models set expected_seconds = ${expected_seconds} where id = ${id}`;
  }
});

interface Delivery {
  modelId?: string;
  /** From the submit to the result; the slot was taken a second longer, and storing took two. */
  seconds: number;
  agoSeconds?: number;
  polls?: number;
  calledBack?: boolean;
  pollAfterCallback?: boolean;
}

async function add(...deliveries: Delivery[]): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    const [{ now } = { now: "" }] = await transaction<{ now: string }[]>`select genflow.clock()::text as now`;
    for (
      const {
        modelId = "flux-schnell",
        seconds,
        agoSeconds = 60,
        polls = 0,
        calledBack = false,
        pollAfterCallback = false,
      } of deliveries
    ) {
      const [jobId, attemptId] = [randomUUID(), randomUUID()];
      await transaction`
        insert into public.generation_jobs (id, user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images, trace_id,
          credits_per_image, credits_held, credits_captured, status, persisting_at, ended_at, attempt_id)
        select ${jobId}, gen_random_uuid(), gen_random_uuid(), '', ${modelId}, '1:1', 1, 'trace', 1, 1, 1, 'completed', result_at,
          result_at + interval '2 seconds', ${attemptId}::uuid
        from (select ${now}::timestamptz - make_interval(secs => ${agoSeconds}) as result_at) t`;
      await transaction`
        insert into genflow.attempts (id, job_id, user_id, number, model_id, claim_id, claimed_at, lease_expires_at, send_id, sent_at, result_at,
          polls, called_back, callback_poll_at, closed_at, closed_how)
        select ${attemptId}, ${jobId}, gen_random_uuid(), 1, ${modelId}, gen_random_uuid(), result_at - make_interval(secs => ${
        seconds + 1
      }), result_at,
          gen_random_uuid(), result_at - make_interval(secs => ${seconds}), result_at, ${polls}, ${calledBack},
          case when ${pollAfterCallback} then result_at end, result_at, 'delivered'
        from (select ${now}::timestamptz - make_interval(secs => ${agoSeconds}) as result_at) t`;
    }
  });
}

async function keep(): Promise<number> {
  return (await sql<{ rows: number }[]>`select genflow.keep_estimates() as rows`)[0]!.rows;
}

async function expected(modelId = "flux-schnell"): Promise<number> {
  const [row] = await sql<
    { expected_seconds: number }[]
  >`select expected_seconds from public.generation_models where id = ${modelId}`;
  return row!.expected_seconds;
}

const times = (count: number, delivery: Delivery): Delivery[] =>
  Array.from({ length: count }, () => delivery);

test("the sweep sets a model's expected seconds to the median of its deliveries, and touches no other model", async () => {
  await add(...[20, 22, 24, 26, 900].map((seconds) => ({ seconds })));
  expect(await db.sweep()).toEqual([]);
  expect(await expected()).toBe(24);
  expect(await expected("flux-dev")).toBe(11);
  const [row] =
    await sql`select model_id, turn_seconds, slot_seconds, storing_seconds, deliveries from genflow.estimates`;
  // The one that hung counts as five times the median of 25.
  expect(row).toEqual({
    model_id: "flux-schnell",
    turn_seconds: 27,
    slot_seconds: (21 + 23 + 25 + 27 + 125) / 5,
    storing_seconds: 2,
    deliveries: 5,
  });
  expect(await sql`select counts -> 'estimates' as rows from genflow.sweeps where kind = 'sql'`).toEqual([{
    rows: 2,
  }]);
});

test("nothing is written as long as nothing new was delivered, and only what changes", async () => {
  await add(...times(5, { seconds: 30 }));
  expect(await keep()).toBe(2);
  const before = await sql`select xmin::text, expected_seconds from public.generation_models order by id`;
  expect(await keep()).toBe(0);
  await add({ seconds: 30, agoSeconds: 50 });
  expect(await keep()).toBe(1);
  expect(await sql`select xmin::text, expected_seconds from public.generation_models order by id`).toEqual(
    before,
  );
});

test("four deliveries say nothing yet", async () => {
  await add(...times(4, { seconds: 30 }));
  expect(await keep()).toBe(0);
  expect(await expected()).toBe(4);
});

test("only the last hundred deliveries of the last day count", async () => {
  await add(...times(6, { seconds: 60, agoSeconds: 86_500 }));
  expect(await keep()).toBe(0);
  await add(...times(5, { seconds: 30, agoSeconds: 1000 }));
  await keep();
  expect(await expected()).toBe(30);
  await add(...times(60, { seconds: 40, agoSeconds: 500 }), ...times(51, { seconds: 20 }));
  await keep();
  expect(await expected()).toBe(20);
});

test("expected seconds stay within 1 and 3600", async () => {
  await add(...times(5, { seconds: 0.2 }), ...times(5, { modelId: "flux-dev", seconds: 5000 }));
  await keep();
  expect([await expected(), await expected("flux-dev")]).toEqual([1, 3600]);
});

test("results that only polls brought leave the expected seconds, which the polls wait for; the eta counts them", async () => {
  await add(...times(20, { seconds: 16, polls: 1 }));
  expect(await keep()).toBe(1);
  expect(await expected()).toBe(4);
  const jobId = await scenario.start(await db.addUser());
  expect(
    (await sql<{ eta: number }[]>`select (genflow.queue_json(${jobId}) ->> 'etaSeconds')::integer as eta`)[0]!
      .eta,
  ).toBe(19);
});

test("results that a callback brought count after polls too: by their token, or when the callback could only ask for a poll", async () => {
  await add(
    ...times(3, { seconds: 50, polls: 2, calledBack: true }),
    ...times(2, { seconds: 50, polls: 3, pollAfterCallback: true }),
  );
  await keep();
  expect(await expected()).toBe(50);
});

test("a delivery notes whether a callback or a poll brought it", async () => {
  for (const isCallback of [true, false]) {
    const { attemptId, taskId } = await scenario.running(await db.addUser());
    await db.advance(20);
    await kernel.claimPolls(randomUUID(), 10);
    await scenario.deliver(taskId, 1, isCallback ? attemptId : null);
    expect(await scenario.attempt(attemptId)).toMatchObject({ polls: 1, called_back: isCallback });
  }
});
