import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

const released = { outcome: "canceled", refund: "released" };
const pending = { outcome: "canceled", refund: "pending" };

/** Cancels twice: the second answers as the first. */
async function cancel(userId: string, jobId: string, expected: Record<string, unknown>): Promise<void> {
  for (let call = 0; call < 2; call++) {
    expect(await kernel.cancel(userId, jobId)).toMatchObject({ ok: true, tellTaskIds: [], ...expected });
  }
}

test("queued: canceled, released at once, and never claimed", async () => {
  const userId = await db.addUser();
  const jobId = await scenario.start(userId);
  await cancel(userId, jobId, { ...released, job: { status: "canceled", creditsCaptured: 0 } });
  expect(await scenario.balance(userId)).toBe(20);
  expect(await scenario.claim()).toEqual([]);
});

test("submitting before the send: the attempt was never sent, so all is released, and its sender hears no go", async () => {
  const userId = await db.addUser();
  const claim = await scenario.claimed(userId);
  await cancel(userId, claim.jobId, released);
  expect(await scenario.attempt(claim.attemptId)).toMatchObject({ closed_how: "never_sent" });
  expect(await kernel.markSending(claim.attemptId, claim.leaseToken, randomUUID(), "f")).toMatchObject({
    go: false,
  });
});

test("submitting after the send: canceled at once, the hold waits, and a rejection releases it", async () => {
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  await cancel(userId, sent.jobId, pending);
  expect(await scenario.closings(sent.jobId)).toEqual([]);
  await scenario.record(sent, { kind: "rejected", class: "bad_input" });
  expect(await scenario.job(sent.jobId)).toMatchObject({ status: "canceled", error_code: null, attempts: 0 });
  await cancel(userId, sent.jobId, released);
});

test("unknown: the hold waits until the attempt is abandoned, and is then released", async () => {
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  await scenario.record(sent, { kind: "unknown", cause: "timeout" });
  await cancel(userId, sent.jobId, pending);
  await db.advance(3590);
  await db.sweep();
  expect(await scenario.closings(sent.jobId)).toEqual([]);
  await db.advance(11);
  await db.sweep();
  expect(await scenario.attempt(sent.attemptId)).toMatchObject({ closed_how: "abandoned" });
  await cancel(userId, sent.jobId, released);
});

test("processing: what is delivered in the end is captured, up to what was asked, and never shown", async () => {
  const userId = await db.addUser();
  const { jobId, taskId } = await scenario.running(userId, { numImages: 3 });
  await cancel(userId, jobId, pending);
  expect(await scenario.deliver(taskId, 2)).toMatchObject({ next: "none", status: "canceled" });
  expect(await scenario.closings(jobId)).toEqual([{ amount: 1, captured: 2 }]);
  expect((await kernel.claimPersists(randomUUID(), 10)).claims).toEqual([]);
  const all = await scenario.running(userId, { numImages: 1 });
  await cancel(userId, all.jobId, pending);
  await scenario.deliver(all.taskId, 4);
  expect(await scenario.closings(all.jobId)).toEqual([{ amount: 0, captured: 1 }]);
  await cancel(userId, all.jobId, { outcome: "canceled", refund: "none" });
});

test.each(["moderation", "cancelled", "deleted"])(
  "processing: a task that ends as %s releases everything and starts nothing again",
  async (failureClass) => {
    const userId = await db.addUser();
    const { jobId, taskId } = await scenario.running(userId);
    await cancel(userId, jobId, pending);
    await scenario.fail(taskId, failureClass);
    expect(await scenario.closings(jobId)).toEqual([{ amount: 1, captured: 0 }]);
    expect(await scenario.job(jobId)).toMatchObject({ status: "canceled" });
    expect(await scenario.claim()).toEqual([]);
  },
);

test("processing: a task that never answers is given up after three hours and released", async () => {
  const userId = await db.addUser();
  const { jobId } = await scenario.running(userId);
  await cancel(userId, jobId, pending);
  await db.advance(10_801);
  await db.sweep();
  await cancel(userId, jobId, released);
});

test("persisting: too late, the picture comes and is charged", async () => {
  const userId = await db.addUser();
  const { jobId, attemptId } = await scenario.delivered(userId);
  await cancel(userId, jobId, { outcome: "too_late", refund: "none", job: { status: "persisting" } });
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist);
  await scenario.complete(persist);
  await cancel(userId, jobId, {
    outcome: "already_ended",
    refund: "none",
    job: { status: "completed", creditsCaptured: 1 },
  });
});

test("completed and failed: already ended, nothing changes", async () => {
  const userId = await db.addUser();
  const { taskId, jobId } = await scenario.running(userId);
  await scenario.fail(taskId, "moderation");
  const events = await scenario.events(jobId);
  await cancel(userId, jobId, { outcome: "already_ended", job: { status: "failed" } });
  expect(await scenario.events(jobId)).toEqual(events);
});

test("a requeued job whose earlier attempt could still deliver keeps its hold until that one is closed", async () => {
  const userId = await db.addUser();
  await db.fixRandom(1);
  const sent = await scenario.sent(userId);
  await scenario.record(sent, { kind: "rejected", class: "provider_error" });
  await db.settings({ user_running_cap: 0 }); // it stays queued
  await scenario.record(sent, { kind: "accepted", taskId: "late" });
  await cancel(userId, sent.jobId, pending);
  await scenario.deliver("late");
  expect(await scenario.closings(sent.jobId)).toEqual([{ amount: 0, captured: 1 }]);
});

test("a foreign job and one that is not are refused in the same words", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const jobId = await scenario.start(userId);
  const refusal = { ok: false, error: { code: "job_not_found" } };
  expect(await kernel.cancel(otherId, jobId)).toEqual(refusal);
  expect(await kernel.cancel(userId, randomUUID())).toEqual(refusal);
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued" });
});

test("the provider is told of open tasks only where the setting says so", async () => {
  const userId = await db.addUser();
  await db.settings({ tell_provider_on_cancel: true });
  const { jobId, taskId } = await scenario.running(userId);
  for (let call = 0; call < 2; call++) {
    expect(await kernel.cancel(userId, jobId)).toMatchObject({ tellTaskIds: [taskId] });
  }
  await scenario.fail(taskId, "deleted");
  expect(await kernel.cancel(userId, jobId)).toMatchObject({ tellTaskIds: [], refund: "released" });
});

test("cancel against delivery, ten times: either the picture comes or the cancel holds, and one entry closes the hold", async () => {
  const userId = await db.addUser();
  for (let round = 0; round < 10; round++) {
    const { jobId, taskId } = await scenario.running(userId);
    const [deliver, cancel] = [() => scenario.deliver(taskId), () => kernel.cancel(userId, jobId)];
    await db.racing<unknown>(
      userId,
      round % 2 ? [deliver, cancel, deliver, cancel] : [cancel, deliver, cancel, deliver],
    );
    const { status } = await scenario.job(jobId);
    expect(await scenario.closings(jobId)).toEqual(status === "canceled" ? [{ amount: 0, captured: 1 }] : []);
    expect(["canceled", "persisting"]).toContain(status);
  }
  await scenario.balance(userId);
  expect(await sql`select from genflow.attempts where closed_at is null`).toHaveLength(0);
});
