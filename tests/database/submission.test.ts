import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, tokenHash } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

test("of 32 senders racing for one attempt exactly one hears go", async () => {
  const userId = await db.addUser();
  const { attemptId, leaseToken } = await scenario.claimed(userId);
  const marks = await db.racing(
    userId,
    Array.from(
      { length: 32 },
      () => () => kernel.markSending(attemptId, leaseToken, randomUUID(), tokenHash),
    ),
  );
  expect(marks.filter((mark) => mark.go)).toHaveLength(1);
  expect(marks.filter((mark) => !mark.go && mark.reason === "already_sent")).toHaveLength(31);
});

test("go comes with the seconds left on the lease, and the same sender asking again hears the same", async () => {
  const { attemptId, leaseToken } = await scenario.claimed(await db.addUser());
  const sendId = randomUUID();
  const first = await kernel.markSending(attemptId, leaseToken, sendId, tokenHash);
  if (!first.go) throw new Error(first.reason);
  expect(first.leaseSeconds).toBeCloseTo(60, 0);
  const sentAt = (await scenario.attempt(attemptId))["sent_at"];
  await db.advance(20);
  const again = await kernel.markSending(attemptId, leaseToken, sendId, tokenHash);
  if (!again.go) throw new Error(again.reason);
  expect(again.leaseSeconds).toBeCloseTo(40, 0);
  expect((await scenario.attempt(attemptId))["sent_at"]).toEqual(sentAt);
});

test("no go without the lease: a wrong token, one that ran out, a canceled job, an attempt that is not", async () => {
  const userId = await db.addUser();
  const wrong = await scenario.claimed(userId);
  const lost = { go: false, reason: "lease_lost" };
  expect(await kernel.markSending(wrong.attemptId, randomUUID(), randomUUID(), tokenHash)).toEqual(lost);
  await kernel.cancel(userId, wrong.jobId);
  expect(await kernel.markSending(wrong.attemptId, wrong.leaseToken, randomUUID(), tokenHash)).toEqual(lost);
  const late = await scenario.claimed(userId);
  await db.advance(46);
  expect(await kernel.markSending(late.attemptId, late.leaseToken, randomUUID(), tokenHash)).toEqual(lost);
  expect(await kernel.markSending(randomUUID(), late.leaseToken, randomUUID(), tokenHash)).toEqual({
    go: false,
    reason: "not_found",
  });
});

test("an accepted submit moves the job to processing, once, and its first poll is due after the expected time", async () => {
  const sent = await scenario.sent(await db.addUser());
  const taskId = randomUUID();
  for (let call = 0; call < 3; call++) {
    expect(await scenario.record(sent, { kind: "accepted", taskId })).toMatchObject({ recorded: true });
  }
  expect(await scenario.job(sent.jobId)).toMatchObject({
    status: "processing",
    attempt_id: sent.attemptId,
    attempts: 0,
  });
  expect((await scenario.events(sent.jobId)).filter((event) => event === "submitted")).toHaveLength(1);
  const [row] = await sql<{ seconds: number }[]>`
    select extract(epoch from next_poll_at - genflow.clock())::float8 as seconds from genflow.attempts`;
  expect(row!.seconds).toBeCloseTo(15, 0);
});

test("only the one that was told to go can record, and a task already tied elsewhere is not tied again", async () => {
  const userId = await db.addUser();
  const [first, second] = [await scenario.running(userId), await scenario.sent(userId)];
  expect(await kernel.recordSubmission(second.attemptId, randomUUID(), { kind: "accepted", taskId: "x" }))
    .toEqual({ recorded: false, tellTaskIds: [] });
  await scenario.record(second, { kind: "accepted", taskId: first.taskId });
  expect(await scenario.attempt(second.attemptId)).toMatchObject({ task_id: null });
  expect(await scenario.job(second.jobId)).toMatchObject({ status: "submitting" });
  await scenario.accept(second, "its-own");
  await scenario.record(second, { kind: "accepted", taskId: "another" });
  expect(await scenario.attempt(second.attemptId)).toMatchObject({ task_id: "its-own" });
});

test("an attempt that was never sent takes no record, not even one without a sender", async () => {
  const claim = await scenario.claimed(await db.addUser());
  const outcome = { kind: "accepted", taskId: "x" };
  expect(
    await db.rpc("record_submission", { p_attempt_id: claim.attemptId, p_send_id: null, p_outcome: outcome }),
  )
    .toEqual({ recorded: false, tellTaskIds: [] });
});

const rules = await sql<{ class: string; decision: string; error_code: string; burns: boolean }[]>`
  select * from genflow.failure_classes order by class`;

test.each(rules.map((rule) => [rule.class, rule] as const))(
  "a submit rejected as %s does what its rule says, once",
  async (failureClass, rule) => {
    const userId = await db.addUser();
    const sent = await scenario.sent(userId);
    for (let call = 0; call < 2; call++) {
      await scenario.record(sent, { kind: "rejected", class: failureClass });
    }
    const fails = rule.decision === "fail";
    expect(await scenario.job(sent.jobId)).toMatchObject({
      status: fails ? "failed" : "queued",
      error_code: fails ? rule.error_code : null,
      attempts: rule.burns ? 1 : 0,
      credits_captured: fails ? 0 : null,
    });
    expect(await scenario.attempt(sent.attemptId)).toMatchObject({
      closed_how: "rejected",
      submission: "rejected",
      submission_class: failureClass,
    });
    expect(await scenario.balance(userId)).toBe(fails ? 20 : 19);
  },
);

test("a class never heard of counts as a failed task", async () => {
  const sent = await scenario.sent(await db.addUser());
  await scenario.record(sent, { kind: "rejected", class: "moon_phase" });
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "failed", error_code: "provider_failed" });
});

test("the third burnt attempt ends the job with the class's error, and credits come back", async () => {
  const userId = await db.addUser();
  await db.fixRandom(0);
  const jobId = await scenario.start(userId);
  for (let attempt = 1; attempt <= 3; attempt++) {
    const [claim] = await scenario.claim();
    await scenario.record(await scenario.send(claim!), { kind: "rejected", class: "no_outputs" });
    expect(await scenario.job(jobId)).toMatchObject({
      attempts: attempt,
      status: attempt < 3 ? "queued" : "failed",
    });
  }
  expect(await scenario.job(jobId)).toMatchObject({ error_code: "no_outputs", retryable: true });
  expect(await scenario.closings(jobId)).toEqual([{ amount: 1, captured: 0 }]);
});

test("an unknown keeps the job, its hold and its slots, and an answer that comes later counts", async () => {
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  for (let call = 0; call < 2; call++) await scenario.record(sent, { kind: "unknown", cause: "timeout" });
  expect(await scenario.job(sent.jobId)).toMatchObject({
    status: "unknown",
    attempts: 0,
    credits_captured: null,
  });
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({ closed_at: null, submission: "unknown" });
  expect((await scenario.events(sent.jobId)).filter((event) => event === "unknown")).toHaveLength(1);
  await scenario.record(sent, { kind: "rejected", class: "bad_input" }); // it said unknown before: no second verdict
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "unknown" });
  await scenario.accept(sent);
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "processing" });
});

test("a worker given up for lost may still bring a rejection: the unknown is one no more", async () => {
  const sent = await scenario.sent(await db.addUser());
  await db.advance(61);
  await db.sweep();
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "unknown" });
  await scenario.record(sent, { kind: "rejected", class: "bad_input" });
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "failed", error_code: "input_rejected" });
});

test("a late task id reopens an attempt that was closed without an answer and takes the queued job back", async () => {
  const sent = await scenario.sent(await db.addUser());
  await scenario.record(sent, { kind: "rejected", class: "provider_error" });
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "queued", attempt_id: null });
  const stillRunning = { status: "processing", outputs: [], flagged: [], class: null };
  expect(await kernel.settle("late", sent.attemptId, stillRunning)).toMatchObject({
    next: "wait",
    status: "processing",
  });
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({
    task_id: "late",
    closed_at: null,
    submission: "accepted",
  });
  expect(await scenario.job(sent.jobId)).toMatchObject({
    status: "processing",
    attempt_id: sent.attemptId,
    ready_at: null,
  });
  await scenario.deliver("late");
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({ closed_how: "delivered" });
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "persisting" });
});

test("a task id that comes after its attempt's time is kept and reopens nothing: the queue goes on, a picture still counts", async () => {
  const sent = await scenario.sent(await db.addUser());
  await scenario.record(sent, { kind: "rejected", class: "provider_error" });
  await db.advance(10_801);
  const stillRunning = { status: "processing", outputs: [], flagged: [], class: null };
  expect(await kernel.settle("late", sent.attemptId, stillRunning)).toMatchObject({
    next: "none",
    status: "queued",
  });
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({
    task_id: "late",
    closed_how: "rejected",
    next_poll_at: null,
  });
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "queued", attempt_id: null });
  expect(await sql`select from ops.invariant_violations`).toEqual([]);
  await scenario.deliver("late");
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "persisting", attempt_id: sent.attemptId });
});

test("a late task id of a job that has ended reopens the attempt, is polled, and leaves the job and its money alone", async () => {
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  await db.advance(61 + 601);
  await db.sweep();
  await db.sweep();
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "failed", error_code: "submit_unknown" });
  await db.advance(3600);
  await db.sweep();
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({ closed_how: "abandoned" });

  await scenario.accept(sent, "very-late");
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({ closed_at: null, closed_how: null });
  await db.advance(16);
  expect((await kernel.claimPolls(randomUUID(), 5)).polls).toMatchObject([{ taskId: "very-late" }]);
  await scenario.deliver("very-late");
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "failed" });
  expect(await scenario.closings(sent.jobId)).toEqual([{ amount: 1, captured: 0 }]);
});
