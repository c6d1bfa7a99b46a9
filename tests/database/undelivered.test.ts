// genflow.undelivered(): of each task that was paid for, or may have been, and gave its user nothing, one cause.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, type Running } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

/** By attempt, in order. */
async function causes(): Promise<[attemptId: unknown, cause: unknown, isCertain: unknown][]> {
  const rows =
    await sql`select attempt_id, cause, is_certain from genflow.undelivered() order by at, task_id`;
  return rows.map((row) => [row["attempt_id"], row["cause"], row["is_certain"]]);
}

/** The job has failed as submit_unknown. */
async function givenUp(userId: string) {
  const sent = await scenario.sent(userId);
  await db.advance(61 + 601);
  await db.sweep();
  await db.sweep();
  expect(await scenario.job(sent.jobId)).toMatchObject({ error_code: "submit_unknown" });
  return sent;
}

async function timedOut(userId: string): Promise<Running> {
  const running = await scenario.running(userId);
  await db.advance(1801);
  await db.sweep();
  expect(await scenario.job(running.jobId)).toMatchObject({ error_code: "processing_timeout" });
  return running;
}

/** Another attempt of the job runs, and the first, rejected by mistake, turns out to have made a task. */
async function twice(userId: string) {
  await db.fixRandom(0);
  const first = await scenario.sent(userId);
  await scenario.record(first, { kind: "rejected", class: "refused" });
  const [claim] = await scenario.claim();
  const second = await scenario.accept(await scenario.send(claim!));
  await scenario.accept(first, "first");
  return { first, second };
}

async function store(attemptId: string): Promise<void> {
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
}

type Story = (userId: string) => Promise<{ attemptId: string }>;
const stories: [cause: string, isCertain: boolean, story: Story][] = [
  ["canceled", true, async (userId) => {
    const running = await scenario.running(userId);
    await kernel.cancel(userId, running.jobId);
    await scenario.deliver(running.taskId);
    return running;
  }],
  ["canceled", false, async (userId) => {
    const sent = await scenario.sent(userId);
    await kernel.cancel(userId, sent.jobId);
    await db.advance(3601);
    await db.sweep();
    return sent;
  }],
  ["submit_unknown", true, async (userId) => {
    const sent = await givenUp(userId);
    await scenario.accept(sent, "late");
    await scenario.deliver("late");
    return sent;
  }],
  ["submit_unknown", false, async (userId) => {
    const sent = await givenUp(userId);
    await db.advance(3601);
    await db.sweep();
    return sent;
  }],
  ["processing_timeout", true, async (userId) => {
    const running = await timedOut(userId);
    await scenario.deliver(running.taskId);
    return running;
  }],
  ["processing_timeout", false, async (userId) => {
    const running = await timedOut(userId);
    await db.advance(10_800);
    await db.sweep();
    return running;
  }],
  ["no_outputs", true, async (userId) => {
    const running = await scenario.running(userId);
    await scenario.deliver(running.taskId, 0);
    return running;
  }],
  ["outputs_unusable", true, async (userId) => {
    const delivered = await scenario.delivered(userId);
    await scenario.complete(await scenario.lease(delivered.attemptId), [{ index: 0, permanent: true }]);
    return delivered;
  }],
  ["storage_timeout", true, async (userId) => {
    const delivered = await scenario.delivered(userId);
    await db.advance(21_601);
    await db.sweep();
    return delivered;
  }],
  ["abandoned", false, async (userId) => {
    await db.settings({ processing_deadline_seconds: 20_000 });
    const running = await scenario.running(userId);
    await db.advance(10_801);
    await db.sweep();
    return running;
  }],
  ["answer_lost", false, async (userId) => {
    await db.settings({ unknown_grace_seconds: 4000 });
    const sent = await scenario.sent(userId);
    await db.advance(3601);
    await db.sweep();
    return sent;
  }],
  ["delivered_twice", true, async (userId) => {
    const { first, second } = await twice(userId);
    await scenario.deliver(second.taskId);
    await scenario.deliver("first");
    await store(second.attemptId);
    return first;
  }],
  ["failed_before", true, async (userId) => {
    const { first, second } = await twice(userId);
    await scenario.fail(second.taskId, "moderation");
    await scenario.deliver("first");
    return first;
  }],
  ["deleted_by_us", false, async (userId) => {
    await db.settings({ tell_provider_on_cancel: true });
    const running = await scenario.running(userId);
    await kernel.cancel(userId, running.jobId);
    await kernel.settle(running.taskId, null, {
      status: "deleted",
      outputs: [],
      flagged: [],
      class: "deleted",
    });
    return running;
  }],
  ["user_erased", true, async (userId) => {
    const running = await scenario.running(userId);
    await kernel.cancel(userId, running.jobId);
    await scenario.deliver(running.taskId);
    await sql`delete from auth.users where id = ${userId}`;
    return running;
  }],
];

test.each(stories)("%s, and certain to be paid: %s", async (cause, isCertain, story) => {
  const { attemptId } = await story(await db.addUser());
  expect(await causes()).toEqual([[attemptId, cause, isCertain]]);
});

test("outputs_unusable: both deliveries of a job that tried to store the one and then the other", async () => {
  const { first, second } = await twice(await db.addUser());
  await scenario.deliver(second.taskId);
  await scenario.deliver("first");
  for (const { attemptId } of [second, first]) {
    await scenario.complete(await scenario.lease(attemptId), [{ index: 0, permanent: true }]);
  }
  expect(new Set(await causes())).toEqual(
    new Set([[first.attemptId, "outputs_unusable", true], [second.attemptId, "outputs_unusable", true]]),
  );
});

test("second_task: the answer names another task than the one that was believed to be this attempt's", async () => {
  const { attemptId, taskId, ...sent } = await scenario.running(await db.addUser());
  for (let call = 0; call < 2; call++) {
    await scenario.record({ attemptId, ...sent }, { kind: "accepted", taskId: "second" });
  }
  expect(await causes()).toEqual([[attemptId, "second_task", false]]);
  expect(await scenario.attempt(attemptId)).toMatchObject({ task_id: taskId });
});

test("second_task: so does a callback with this attempt's token, and it settles nothing", async () => {
  const { attemptId, jobId } = await scenario.running(await db.addUser());
  const result = { status: "completed", outputs: ["https://cdn.example.com/0"], flagged: [], class: null };
  expect(await kernel.settle("second", attemptId, result)).toEqual({ next: "unknown_task" });
  expect(await kernel.settle("nobodys", null, result)).toEqual({ next: "unknown_task" });
  expect(await kernel.settle("nobodys", randomUUID(), result)).toEqual({ next: "unknown_task" });
  expect(await causes()).toEqual([[attemptId, "second_task", false]]);
  expect(await scenario.job(jobId)).toMatchObject({ status: "processing" });
});

test("a task that another attempt follows is nobody's second one", async () => {
  const userId = await db.addUser();
  const [first, second] = [await scenario.running(userId), await scenario.running(userId)];
  await scenario.record(second, { kind: "accepted", taskId: first.taskId });
  expect(await causes()).toEqual([]);
});

test("what was delivered, is being stored, is still open, was refused or is given back by the provider has no cause", async () => {
  const userId = await db.addUser();
  await scenario.completed(userId);
  await scenario.delivered(userId);
  await scenario.running(userId);
  await scenario.fail((await scenario.running(userId)).taskId, "moderation");
  await scenario.record(await scenario.sent(userId), { kind: "rejected", class: "bad_input" });
  const unsent = await scenario.claimed(userId);
  await kernel.cancel(userId, unsent.jobId);
  expect(await causes()).toEqual([]);
});

test("what was paid for in vain stays countable when the job is gone, without saying whose it was", async () => {
  const userId = await db.addUser();
  const running = await scenario.running(userId);
  await kernel.cancel(userId, running.jobId);
  await scenario.deliver(running.taskId);
  await sql`delete from auth.users where id = ${userId}`;
  await sql`delete from public.generation_jobs where id = ${running.jobId}`;
  expect(await causes()).toEqual([]);
  expect(await sql`select cause, is_certain from genflow.undelivered_erased`).toEqual([
    { cause: "user_erased", is_certain: true },
  ]);
});
