// Cancelling in each state, and what becomes of the hold.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type App,
  balance,
  call,
  ledger,
  openApp,
  readJob,
  request,
  startJob,
  untilEnded,
  untilStatus,
} from "./app.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";

let stack: ControlledStack;
let app: App;

beforeAll(async () => {
  stack = await startControlledStack();
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  await stack.provider({ latencyMs: 100, holdSubmitAnswers: false, dropCallbacks: false, failTasks: false });
  app = await openApp(stack);
  return () => app.close();
});

async function cancel(jobId: string) {
  const { status, body } = await call(app, "cancel", { jobId });
  expect(status).toBe(200);
  return body;
}

describe("cancel", () => {
  it("ends a queued job and releases its credits at once", async () => {
    const before = await balance(app);
    await stack.sql`update genflow.provider set running_cap = 0 where singleton`;
    const jobId = await startJob(app);
    expect(await cancel(jobId)).toMatchObject({
      outcome: "canceled",
      refund: "released",
      providerTold: false,
    });
    expect(await cancel(jobId)).toMatchObject({ outcome: "canceled", refund: "released" });
    await stack.sql`update genflow.provider set running_cap = 3 where singleton`;
    expect(await balance(app)).toBe(before);
    expect(await ledger(app, jobId)).toEqual([
      { kind: "reserve", amount: -1, captured: null },
      { kind: "close", amount: 1, captured: 0 },
    ]);
  });

  it("ends a job that is being submitted and keeps the hold until the provider has answered for it", async () => {
    const before = await balance(app);
    await stack.provider({ holdSubmitAnswers: true, latencyMs: 60_000 });
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "submitting");
    await expect.poll(async () => (await stack.journal()).predictions.length, { timeout: 10_000 })
      .toBeGreaterThan(0);
    expect(await cancel(jobId)).toMatchObject({ outcome: "canceled", refund: "pending" });
    expect(await balance(app)).toBe(before - 1);
    // The answer to the submit comes after the cancel, and the task fails: nothing is charged.
    await stack.provider({ latencyMs: 100, failTasks: true });
    await stack.provider({ holdSubmitAnswers: false });
    await app.until(() => app.changes.at(-1)?.account.balance === before, "the credits are back");
    expect((await readJob(app, jobId)).status).toBe("canceled");
    expect(await ledger(app, jobId)).toHaveLength(2);
  });

  it("ends a processing job at once, and captures the hold when the provider delivers all the same", async () => {
    const before = await balance(app);
    await stack.provider({ latencyMs: 1500 });
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "processing");
    expect(await cancel(jobId)).toMatchObject({ outcome: "canceled", refund: "pending" });
    await app.until(
      () =>
        app.changes.some(({ jobs }) =>
          jobs.some(({ id, creditsCaptured }) => id === jobId && creditsCaptured === 1)
        ),
      "the hold is captured",
    );
    expect(await balance(app)).toBe(before - 1);
    expect(await cancel(jobId)).toMatchObject({ outcome: "canceled", refund: "none" });
    const { data } = await app.client.from("generation_images").select().eq("job_id", jobId);
    expect(data).toEqual([]);
  });

  it("comes too late once the picture is being stored, and says that an ended job has ended", async () => {
    await stack.provider({ latencyMs: 100 });
    await stack
      .sql`create function public.hold_storing() returns trigger language plpgsql as $$ begin raise exception 'not now' using errcode = 'PT503'; end $$`;
    await stack
      .sql`create trigger hold_storing before insert on public.generation_images for each row execute function public.hold_storing()`;
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "persisting");
    expect(await cancel(jobId)).toMatchObject({
      outcome: "too_late",
      refund: "none",
      job: { status: "persisting" },
    });
    await stack.sql`drop trigger hold_storing on public.generation_images`;
    await stack.sql`drop function public.hold_storing()`;
    await expect.poll(async () => {
      await stack
        .sql`update genflow.attempts set next_persist_at = genflow.clock() where next_persist_at is not null and persist_lease is null`;
      await stack.sweep();
      return (await readJob(app, jobId)).status;
    }, { timeout: 20_000 }).toBe("completed");
    expect(await cancel(jobId)).toMatchObject({ outcome: "already_ended", refund: "none" });
  });
});

describe("cancel, where the setting says to tell the provider", () => {
  beforeEach(async () => {
    await stack.settings({ tell_provider_on_cancel: true });
    await stack.provider({ latencyMs: 60_000, oldDelete: "stops" });
    return () => stack.settings({ tell_provider_on_cancel: false });
  });

  /** The hold is released, and the task that was stopped has its own cause. */
  async function untilStopped(jobId: string): Promise<void> {
    await expect.poll(() => ledger(app, jobId), { timeout: 10_000 }).toEqual([
      { kind: "reserve", amount: -1, captured: null },
      { kind: "close", amount: 1, captured: 0 },
    ]);
    expect(await stack.sql`select u.cause from genflow.undelivered(${jobId}) u`).toEqual([
      { cause: "deleted_by_us" },
    ]);
    expect(await cancel(jobId)).toMatchObject({ refund: "released", providerTold: false });
  }

  it("stops a running task, and its hold does not wait for a poll", async () => {
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "processing");
    expect(await cancel(jobId)).toMatchObject({ outcome: "canceled", providerTold: true });
    await untilStopped(jobId);
  });

  it("stops the task of a job that was canceled before the submit's answer came", async () => {
    await stack.provider({ holdSubmitAnswers: true });
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "submitting");
    // Sent: from here on a cancel waits for what the provider says.
    await expect.poll(() =>
      stack.sql`select from genflow.attempts where job_id = ${jobId} and sent_at is not null`
    )
      .toHaveLength(1);
    expect(await cancel(jobId)).toMatchObject({
      outcome: "canceled",
      refund: "pending",
      providerTold: false,
    });
    await stack.provider({ holdSubmitAnswers: false });
    await untilStopped(jobId);
  });

  it("leaves a task that the provider does not stop as it is: delivered, it is captured", async () => {
    await stack.provider({ oldDelete: "finished", latencyMs: 1500 });
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "processing");
    expect(await cancel(jobId)).toMatchObject({ refund: "pending", providerTold: false });
    await expect.poll(() => ledger(app, jobId), { timeout: 10_000 }).toContainEqual(
      { kind: "close", amount: 0, captured: 1 },
    );
  });
});

describe("an insufficient balance", () => {
  it("is refused with balance and price, and leaves the key unused", async () => {
    await stack.settings({ sign_up_grant_credits: 3 });
    const poor = await openApp(stack);
    const key = crypto.randomUUID();
    const answer = await call(poor, "start-generation", { ...request, modelId: "nano-banana" }, {
      "idempotency-key": key,
    });
    expect(answer.status).toBe(402);
    expect(answer.body).toMatchObject({ code: "insufficient_credits", balance: 3, price: 4 });
    const cheaper = await call(poor, "start-generation", request, { "idempotency-key": key });
    expect(cheaper.status).toBe(202);
    await untilEnded(poor, cheaper.body.job?.id ?? "");
    await poor.close();
  });
});
