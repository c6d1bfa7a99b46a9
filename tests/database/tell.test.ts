// Telling the provider of a cancel: a setting, off by default, and what becomes of the money after it.

import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);
const tell = () => db.settings({ tell_provider_on_cancel: true });

async function canceledRunning() {
  const userId = await db.addUser();
  const running = await scenario.running(userId);
  await kernel.cancel(userId, running.jobId);
  return { ...running, userId };
}
const end = (taskId: string, status: string) =>
  kernel.settle(taskId, null, { status, outputs: [], flagged: [], class: status });

test("telling the provider is off by default", async () => {
  const [row] = await sql`select column_default from information_schema.columns
    where table_schema = 'genflow' and table_name = 'settings' and column_name = 'tell_provider_on_cancel'`;
  expect(row).toEqual({ column_default: "false" });
});

test.each([[true, ["task-1"]], [false, []]])(
  "a task whose id comes after the cancel is told where the setting is %s: %j",
  async (isOn, tellTaskIds) => {
    await db.settings({ tell_provider_on_cancel: isOn });
    const userId = await db.addUser();
    const sent = await scenario.sent(userId);
    expect(await kernel.cancel(userId, sent.jobId)).toMatchObject({ refund: "pending", tellTaskIds: [] });
    for (let call = 0; call < 2; call++) {
      expect(await scenario.record(sent, { kind: "accepted", taskId: "task-1" })).toMatchObject({
        tellTaskIds,
      });
    }
    expect(await scenario.job(sent.jobId)).toMatchObject({ status: "canceled", credits_captured: null });
    expect((await scenario.attempt(sent.attemptId))["told_at"] !== null).toBe(isOn);
  },
);

test("a task that is wanted, and one of a job that failed, is told to nobody", async () => {
  await tell();
  const userId = await db.addUser();
  const sent = await scenario.sent(userId);
  expect(await scenario.record(sent, { kind: "accepted", taskId: "task-1" })).toMatchObject({
    tellTaskIds: [],
  });
  const lost = await scenario.sent(userId);
  await db.advance(61 + 601);
  await db.sweep();
  await db.sweep();
  expect(await scenario.job(lost.jobId)).toMatchObject({ status: "failed" });
  expect(await scenario.record(lost, { kind: "accepted", taskId: "task-2" })).toMatchObject({
    tellTaskIds: [],
  });
});

test.each(["deleted", "cancelled"])(
  "%s after we told the provider is not delivered, under its own cause, and the hold is released",
  async (status) => {
    await tell();
    const { jobId, attemptId, taskId } = await canceledRunning();
    await end(taskId, status);
    expect(await scenario.attempt(attemptId)).toMatchObject({
      closed_how: "failed",
      result_status: status,
      result_class: "deleted_by_us",
    });
    expect(await scenario.closings(jobId)).toEqual([{ amount: 1, captured: 0 }]);
    expect(await sql`select cause, is_certain from genflow.undelivered() where attempt_id = ${attemptId}`)
      .toEqual([{ cause: "deleted_by_us", is_certain: false }]);
  },
);

test("deleted without our doing keeps its own class", async () => {
  const { attemptId, taskId } = await canceledRunning();
  await end(taskId, "deleted");
  expect(await scenario.attempt(attemptId)).toMatchObject({ result_class: "deleted", told_at: null });
});

test("a told provider that delivers after all is paid, and so the hold is captured", async () => {
  await tell();
  const { jobId, attemptId, taskId } = await canceledRunning();
  await scenario.deliver(taskId);
  await end(taskId, "deleted"); // what it says later changes nothing
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_how: "delivered", result_class: null });
  expect(await scenario.closings(jobId)).toEqual([{ amount: 0, captured: 1 }]);
});

test("a told task of which nothing more is heard is polled for three hours, and then released", async () => {
  await tell();
  const { jobId, attemptId } = await canceledRunning();
  await db.advance(10_700);
  await db.sweep();
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_at: null });
  expect((await kernel.workDue())["polls"]).toBe(1);
  await db.advance(101);
  await db.sweep();
  expect(await scenario.attempt(attemptId)).toMatchObject({ closed_how: "abandoned" });
  expect(await scenario.closings(jobId)).toEqual([{ amount: 1, captured: 0 }]);
});
