// What becomes of a job when callbacks are lost and functions die.

import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { imageFromRow } from "../../shared/contract/mod.ts";
import {
  type App,
  balance,
  ledger,
  openApp,
  pushedJob,
  readJob,
  request,
  startJob,
  tap,
  untilEnded,
  untilStatus,
} from "./app.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";

let stack: ControlledStack;
let app: App;

const calm = { latencyMs: 100, dropCallbacks: false, holdSubmitAnswers: false, failTasks: false };

beforeAll(async () => {
  stack = await startControlledStack();
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  stack.functions.startAll();
  await stack.provider(calm);
  // Short enough to be waited for; the order of the times is that of the defaults.
  await stack.settings({
    submit_deadline_seconds: 2,
    claim_lease_seconds: 1,
    submit_lease_seconds: 3,
    unknown_grace_seconds: 60,
    listing_margin_seconds: 1,
    listing_interval_seconds: 1,
    first_poll_seconds: 1,
    backoff_base_seconds: 1,
    backoff_max_seconds: 1,
    persist_lease_seconds: 140,
    queue_deadline_seconds: 86_400,
    processing_deadline_seconds: 1800,
  });
  await stack.sql`update public.generation_models set expected_seconds = 1 where id is not null`;
  app = await openApp(stack);
  return () => app.close();
});

/** Sweeps, as pg_cron would every ten seconds, until `holds`. */
async function sweepUntil(holds: () => Promise<boolean>, timeout = 20_000): Promise<void> {
  await expect.poll(async () => {
    await stack.sweep();
    return await holds();
  }, { timeout, interval: 300 }).toBe(true);
}

async function status(jobId: string): Promise<string> {
  return (await readJob(app, jobId)).status;
}

describe("20 taps with one key", () => {
  it("make one provider task", async () => {
    const before = (await stack.journal()).predictions.length;
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => tap(app, request, key)));
    const ids = new Set(answers.map(({ body }) => body.job?.id));
    expect(ids.size).toBe(1);
    expect((await untilEnded(app, [...ids][0] ?? "")).status).toBe("completed");
    expect((await stack.journal()).predictions.length).toBe(before + 1);
  });
});

describe("the sweep", () => {
  it("completes a job whose callback was dropped, with the very bytes that the provider made", async () => {
    await stack.provider({ dropCallbacks: true });
    const jobId = await startJob(app);
    await untilStatus(app, jobId, "processing");
    await sweepUntil(async () => await status(jobId) === "completed");
    const { data } = await app.client.from("generation_images").select().eq("job_id", jobId).single();
    const image = imageFromRow(data);
    const file = await app.client.storage.from("generations").download(image.path);
    const bytes = new Uint8Array(await file.data?.arrayBuffer() ?? new ArrayBuffer(0));
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(image.sha256);
    const [attempt] = await stack.sql`select task_id from genflow.attempts where job_id = ${jobId}`;
    const made = (await stack.journal()).predictions.find(({ id }) => id === attempt?.["task_id"]);
    expect(made?.outputs.map(({ sha256 }) => sha256)).toEqual([image.sha256]);
  });

  it("completes a job whose function died after the submit, without asking the provider twice", async () => {
    await stack.provider({ holdSubmitAnswers: true, dropCallbacks: true });
    const before = (await stack.journal()).predictions.length;
    const jobId = await startJob(app);
    await expect.poll(async () => (await stack.journal()).predictions.length, { timeout: 10_000 }).toBe(
      before + 1,
    );
    await stack.functions.kill("start-generation");
    await stack.provider({ holdSubmitAnswers: false });
    await sweepUntil(async () => await status(jobId) === "completed");
    expect((await stack.journal()).predictions.length).toBe(before + 1);
    // Found in the provider's list, whether or not a sweep had given the worker up by then.
    expect(
      await stack
        .sql`select event from public.generation_events where job_id = ${jobId} and event = 'adopted'`,
    )
      .toHaveLength(1);
    expect(await ledger(app, jobId)).toHaveLength(2);
  });

  it("requeues a job whose function died before the submit, and completes it", async () => {
    await stack.sql`update genflow.provider set running_cap = 0 where singleton`;
    const jobId = await startJob(app);
    // Once they have stopped, the start's own dispatch has looked in vain and will not look again.
    await stack.functions.stopAll();
    await stack.sql`update genflow.provider set running_cap = 3 where singleton`;
    // A worker takes the job and is never heard of again.
    await stack.sql`select public.claim_generations(gen_random_uuid(), 1)`;
    stack.functions.startAll();
    await untilStatus(app, jobId, "submitting");
    await sweepUntil(async () => await status(jobId) === "completed");
    const statuses = app.changes.flatMap(({ jobs }) => jobs).map((job) => job.status);
    expect(statuses.filter((one) => one === "submitting")).toHaveLength(2);
    expect((await readJob(app, jobId)).attempts).toBe(1);
  });

  it("ends every job and returns its credits with all functions stopped", async () => {
    const before = await balance(app);
    await stack.provider({ dropCallbacks: true, latencyMs: 60_000 });
    const processing = await startJob(app);
    await untilStatus(app, processing, "processing");
    await stack.sql`update genflow.provider set running_cap = 0 where singleton`;
    const queued = await startJob(app);
    await stack.functions.stopAll();
    await stack.sql`update genflow.provider set running_cap = 3 where singleton`;
    await stack.sql`select public.claim_generations(gen_random_uuid(), 1)`;
    await stack.settings({ queue_deadline_seconds: 1, processing_deadline_seconds: 1 });
    await sweepUntil(async () => await status(processing) === "failed" && await status(queued) === "failed");
    expect((await readJob(app, processing)).errorCode).toBe("processing_timeout");
    expect((await readJob(app, queued)).errorCode).toBe("queue_expired");
    expect(await balance(app)).toBe(before);
    const [open] = await stack
      .sql`select count(*)::int from genflow.attempts where job_id = ${queued} and closed_at is null`;
    expect(open).toEqual({ count: 0 });
  });
});

describe("a task that fails", () => {
  it("fails the job in the user's words and returns the credits; a retry names it and completes", async () => {
    const before = await balance(app);
    await stack.provider({ failTasks: 1 });
    const jobId = await startJob(app);
    const failed = await untilEnded(app, jobId);
    expect(failed).toMatchObject({
      status: "failed",
      errorCode: "provider_failed",
      retryable: true,
      creditsCaptured: 0,
    });
    expect(await balance(app)).toBe(before);
    const retry = await tap(app, {
      modelId: "flux-schnell",
      prompt: "again",
      aspectRatio: "1:1",
      retryOf: jobId,
    });
    expect(retry.status).toBe(202);
    const done = await untilEnded(app, retry.body.job?.id ?? "");
    expect(done).toMatchObject({ status: "completed", retryOf: jobId });
  });
});

describe("the flow tests", () => {
  it("have made no deadlock and missed no number", async () => {
    const [row] = await stack
      .sql`select deadlocks::int from pg_stat_database where datname = current_database()`;
    expect(row).toEqual({ deadlocks: 0 });
    const gaps = await stack.sql`
      select a.user_id from genflow.accounts a
      where a.feed_seq <> (select count(*) from realtime.messages m where m.topic = 'generations:' || a.user_id)`;
    expect(gaps).toEqual([]);
    expect(pushedJob(app, "none")).toBeUndefined();
  });
});
