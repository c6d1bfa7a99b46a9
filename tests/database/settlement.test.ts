import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

test("a callback that comes before the submit's answer settles by its attempt, and the answer changes nothing", async () => {
  const sent = await scenario.sent(await db.addUser());
  expect(await scenario.deliver("early", 1, sent.attemptId)).toMatchObject({
    next: "persist",
    jobId: sent.jobId,
    attemptId: sent.attemptId,
  });
  // What a callback leads to is told under the job's trace.
  const { trace_id: traceId } = await scenario.job(sent.jobId);
  expect(await scenario.deliver("early", 1, sent.attemptId)).toMatchObject({ traceId });
  await scenario.record(sent, { kind: "accepted", taskId: "early" });
  await scenario.record(sent, { kind: "unknown", cause: "timeout" });
  await scenario.record(sent, { kind: "rejected", class: "bad_input" });
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "persisting" });
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({ task_id: "early", closed_how: "delivered" });
});

test("an attempt that was never sent cannot be settled by its id", async () => {
  const claim = await scenario.claimed(await db.addUser());
  expect(await scenario.deliver("forged", 1, claim.attemptId)).toEqual({ next: "unknown_task" });
  expect(await scenario.deliver("nobody's", 1)).toEqual({ next: "unknown_task" });
});

test("a task id that is another attempt's wins over the attempt named beside it", async () => {
  const userId = await db.addUser();
  const [first, second] = [await scenario.running(userId), await scenario.sent(userId)];
  expect(await scenario.deliver(first.taskId, 1, second.attemptId)).toMatchObject({ jobId: first.jobId });
  expect(await scenario.attempt(second.attemptId)).toMatchObject({ task_id: null, closed_at: null });
  const third = await scenario.running(userId);
  expect(await scenario.deliver("other-task", 1, third.attemptId)).toEqual({ next: "unknown_task" });
});

test("the first terminal result stands: another one later is ignored, the same one again answers the same", async () => {
  const { taskId, jobId, attemptId } = await scenario.running(await db.addUser(), { numImages: 2 });
  await scenario.deliver(taskId, 2);
  const before = await scenario.attempt(attemptId);
  const events = await scenario.events(jobId);
  expect(await scenario.fail(taskId, "moderation")).toMatchObject({ next: "persist", status: "persisting" });
  expect(await scenario.deliver(taskId, 1)).toMatchObject({ next: "persist" });
  expect(await scenario.attempt(attemptId)).toEqual(before);
  expect(await scenario.events(jobId)).toEqual(events);

  const failed = await scenario.running(await db.addUser());
  await scenario.fail(failed.taskId, "bad_input");
  expect(await scenario.deliver(failed.taskId)).toMatchObject({ next: "none", status: "failed" });
});

test("a result that is not terminal only says to wait", async () => {
  const { taskId, jobId } = await scenario.running(await db.addUser());
  for (const status of ["created", "processing", "dreaming"]) {
    expect(await kernel.settle(taskId, null, { status, outputs: [], flagged: [], class: null }))
      .toMatchObject({ next: "wait" });
  }
  expect(await scenario.job(jobId)).toMatchObject({ status: "processing" });
});

test.each(["failed", "cancelled", "timeout", "deleted"])(
  "%s is terminal and takes the class it comes with",
  async (status) => {
    const { taskId, attemptId, jobId } = await scenario.running(await db.addUser());
    await kernel.settle(taskId, null, { status, outputs: ["https://x/y"], flagged: [], class: "moderation" });
    expect(await scenario.attempt(attemptId)).toMatchObject({
      closed_how: "failed",
      result_status: status,
      output_urls: [],
    });
    expect(await scenario.job(jobId)).toMatchObject({ status: "failed", error_code: "moderated" });
  },
);

test("completed without outputs is a failure that is tried again", async () => {
  const { taskId, attemptId, jobId } = await scenario.running(await db.addUser());
  await scenario.deliver(taskId, 0);
  expect(await scenario.attempt(attemptId)).toMatchObject({
    closed_how: "failed",
    result_class: "no_outputs",
  });
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued", attempts: 1 });
});

/** A job whose first attempt lost its answer for so long that it was rejected as gone, and which now runs its second. */
async function secondAttempt(userId: string) {
  await db.fixRandom(0);
  const first = await scenario.sent(userId);
  await scenario.record(first, { kind: "rejected", class: "provider_error" });
  const [claim] = await scenario.claim();
  return { first, second: await scenario.send(claim!) };
}

test("the failure of an old attempt does not move the job, its success does, and the other's result then changes nothing", async () => {
  const failing = await secondAttempt(await db.addUser());
  await scenario.fail("old-1", "moderation", failing.first.attemptId);
  expect(await scenario.job(failing.second.jobId)).toMatchObject({
    status: "submitting",
    attempt_id: failing.second.attemptId,
    attempts: 1,
  });

  const { first, second } = await secondAttempt(await db.addUser());
  await scenario.accept(second, "new-2");
  expect(await scenario.deliver("old-2", 1, first.attemptId)).toMatchObject({
    next: "persist",
    attemptId: first.attemptId,
  });
  expect(await scenario.job(first.jobId)).toMatchObject({
    status: "persisting",
    attempt_id: first.attemptId,
  });
  expect(await scenario.fail("new-2", "moderation")).toMatchObject({ next: "none", status: "persisting" });
  const persist = await scenario.lease(first.attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
  expect(await scenario.closings(first.jobId)).toEqual([{ amount: 0, captured: 1 }]);
});

test("a late task id takes the job back from a following attempt that has not been sent, and that one is sent no more", async () => {
  await db.fixRandom(0);
  const first = await scenario.sent(await db.addUser());
  await scenario.record(first, { kind: "rejected", class: "provider_error" });
  const [claim] = await scenario.claim();
  await scenario.accept(first, "alive-after-all");
  expect(await scenario.job(first.jobId)).toMatchObject({
    status: "processing",
    attempt_id: first.attemptId,
  });
  expect(await scenario.attempt(claim!.attemptId)).toMatchObject({ closed_how: "never_sent" });
  await expect(scenario.send(claim!)).rejects.toThrow("lease_lost");
});

test("while an earlier attempt may still deliver a queued job gets no further one", async () => {
  const { first, second } = await secondAttempt(await db.addUser());
  await scenario.accept(first, "alive-after-all");
  await scenario.record(second, { kind: "rejected", class: "provider_error" });
  expect(await scenario.job(first.jobId)).toMatchObject({ status: "queued", attempts: 2 });
  expect(await scenario.claim()).toEqual([]);
  await scenario.deliver("alive-after-all");
  expect(await scenario.job(first.jobId)).toMatchObject({
    status: "persisting",
    attempt_id: first.attemptId,
  });
});

test("two attempts that both deliver are charged once", async () => {
  const userId = await db.addUser();
  const { first, second } = await secondAttempt(userId);
  await scenario.accept(second, "new");
  await scenario.deliver("old", 1, first.attemptId);
  expect(await scenario.deliver("new")).toMatchObject({ next: "none" });
  const persist = await scenario.lease(first.attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
  expect(await scenario.balance(userId)).toBe(19);
  expect(await sql`select from public.generation_images`).toHaveLength(1);
});

test("a result after the job's end closes the attempt and nothing else", async () => {
  const userId = await db.addUser();
  const { taskId, jobId, attemptId } = await scenario.running(userId);
  await db.advance(1801);
  await db.sweep();
  expect(await scenario.job(jobId)).toMatchObject({ status: "failed", error_code: "processing_timeout" });
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_at: null });
  expect(await scenario.deliver(taskId)).toMatchObject({ next: "none", status: "failed" });
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_how: "delivered" });
  expect(await scenario.balance(userId)).toBe(20);
});

test("32 callbacks and polls at once settle once", async () => {
  const userId = await db.addUser();
  const { taskId, jobId } = await scenario.running(userId);
  await db.racing(
    userId,
    Array.from({ length: 32 }, (_, at) => () =>
      kernel.settle(
        taskId,
        null,
        at % 2
          ? { status: "completed", outputs: ["https://x/y.png"], flagged: [], class: null }
          : { status: "failed", outputs: [], flagged: [], class: "moderation" },
      )),
  );
  expect((await scenario.events(jobId)).filter((event) => event === "attempt_closed")).toHaveLength(1);
  expect((await scenario.closings(jobId)).length).toBeLessThanOrEqual(1);
});

test("an unverified callback with the right token makes a poll due, once in ten seconds; a wrong token does nothing", async () => {
  const { attemptId, jobId } = await scenario.running(await db.addUser());
  const { trace_id: traceId } = await scenario.job(jobId);
  const hash = "f".repeat(64);
  expect(await kernel.noteCallback(attemptId, "0".repeat(64))).toEqual({ known: false, pollDue: false });
  expect(await kernel.noteCallback(attemptId, hash)).toEqual({ known: true, pollDue: true, jobId, traceId });
  expect(await kernel.noteCallback(attemptId, hash)).toEqual({ known: true, pollDue: false, jobId, traceId });
  expect((await kernel.claimPolls(attemptId, 1, attemptId)).polls).toHaveLength(1);
  await db.advance(11);
  expect(await kernel.noteCallback(attemptId, hash)).toEqual({ known: true, pollDue: true, jobId, traceId });
  expect(await scenario.attempt(attemptId)).toMatchObject({ unverified_callbacks: 3 });
});
