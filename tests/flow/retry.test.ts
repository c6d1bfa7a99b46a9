// A job that failed is tried again with one tap, and its reference images are kept for that, but not for ever.

import { randomUUID } from "node:crypto";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type GenerationJob, Problem } from "../../shared/contract/mod.ts";
import {
  type App,
  balance,
  ledger,
  openApp,
  readJob,
  request,
  startJob,
  tap,
  untilEnded,
  untilStatus,
} from "./app.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";

const bucket = "generation-inputs";
/** Large enough for a provider that edits it. */
const picture = await sharp({ create: { width: 256, height: 256, channels: 3, background: "#396" } }).png()
  .toBuffer();

let stack: ControlledStack;
let app: App;
beforeAll(async () => {
  stack = await startControlledStack();
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  await stack.provider({ latencyMs: 100, failTasks: false });
  app = await openApp(stack);
  return () => app.close();
});

async function upload(): Promise<string> {
  const path = `${app.userId}/${randomUUID()}.png`;
  const { error } = await app.client.storage.from(bucket).upload(path, picture, { contentType: "image/png" });
  if (error) throw error;
  return path;
}

/** A job whose task fails at the provider. */
async function failedJob(body: unknown): Promise<GenerationJob> {
  await stack.provider({ failTasks: 1 });
  const failed = await untilEnded(app, await startJob(app, body));
  expect(failed).toMatchObject({ status: "failed", retryable: true, creditsCaptured: 0 });
  return failed;
}

/** What the job was asked for, as its owner reads it. */
async function askedFor(jobId: string) {
  const { data: job, error } = await app.client.from("generation_jobs")
    .select("model_id, aspect_ratio, num_images, seed, input_paths").eq("id", jobId).single();
  const { data: words } = await app.client.from("generation_prompts").select("prompt").eq("job_id", jobId)
    .single();
  if (error) throw error;
  return { ...job, ...words };
}

describe("a retry that names nothing but the job", () => {
  it("asks for the same model, words, ratio, pictures, seed and reference images, completes and is charged once", async () => {
    const before = await balance(app);
    const inputPaths = [await upload(), await upload()];
    const asked = {
      modelId: "qwen-image-edit",
      prompt: "the same field at dawn",
      aspectRatio: "16:9",
      seed: 7,
      inputPaths,
    };
    const failed = await failedJob(asked);
    expect(await balance(app)).toBe(before);

    const key = randomUUID();
    const retry = await tap(app, { retryOf: failed.id }, key);
    expect(retry.status).toBe(202);
    const jobId = retry.body.job?.id ?? "";
    const done = await untilEnded(app, jobId);
    expect(done).toMatchObject({ status: "completed", retryOf: failed.id, seed: 7 });
    expect(await askedFor(jobId)).toEqual(await askedFor(failed.id));
    expect(await askedFor(jobId)).toMatchObject({ model_id: "qwen-image-edit", input_paths: inputPaths });

    const price = done.creditsCaptured ?? 0;
    expect(price).toBe(failed.creditsHeld);
    expect(await balance(app)).toBe(before - price);
    expect(await ledger(app, jobId)).toEqual([
      { kind: "reserve", amount: -price, captured: null },
      { kind: "close", amount: 0, captured: price },
    ]);
    const { data: pictures } = await app.client.from("generation_images").select("index").eq("job_id", jobId);
    expect(pictures).toEqual([{ index: 0 }]);

    const again = await tap(app, { retryOf: failed.id }, key);
    expect([again.status, again.body.job?.id]).toEqual([200, jobId]);
    const other = await tap(app, { retryOf: failed.id, prompt: "another" }, key);
    expect([other.status, other.body["code"]]).toEqual([422, "idempotency_key_reused"]);
    expect(await balance(app)).toBe(before - price);
  });

  it("draws its own seed where none was asked for", async () => {
    const failed = await failedJob(request);
    const jobId = await startJob(app, { retryOf: failed.id });
    await untilEnded(app, jobId);
    const seeds = await stack.sql<{ seed: string | null }[]>`
      select seed from genflow.attempts where job_id in (${failed.id}, ${jobId})`;
    expect((await askedFor(jobId)).seed).toBeNull();
    expect(new Set(seeds.map(({ seed }) => Number(seed))).size).toBe(2);
  });
});

it("a retry with new words changes the words and nothing else", async () => {
  const failed = await failedJob({ ...request, modelId: "flux-dev", numImages: 2, seed: 11 });
  const jobId = await startJob(app, { retryOf: failed.id, prompt: "a grey fox in the snow" });
  expect(await askedFor(jobId)).toEqual({
    ...await askedFor(failed.id),
    prompt: "a grey fox in the snow",
  });
  expect(await untilEnded(app, jobId)).toMatchObject({ status: "completed", retryOf: failed.id });
});

describe("what cannot be tried again", () => {
  it("a foreign, an unknown and a running job are refused alike, and hold nothing", async () => {
    const stranger = await openApp(stack);
    const foreign = await startJob(stranger);
    await untilEnded(stranger, foreign);
    await stack.provider({ latencyMs: 60_000 });
    const running = await startJob(app);
    await untilStatus(app, running, "processing");
    const before = await balance(app);
    for (const retryOf of [foreign, randomUUID(), running]) {
      const answer = await tap(app, { retryOf });
      expect(Problem.parse(answer.body)).toMatchObject({
        status: 400,
        code: "retry_not_possible",
        fields: ["retryOf"],
      });
      expect(answer.status).toBe(400);
    }
    expect(await balance(app)).toBe(before);
    expect((await readJob(app, running)).status).toBe("processing");
    await stranger.close();
  });

  it.for<[unknown, string[]]>([
    [{}, ["modelId", "prompt", "aspectRatio"]],
    [{ ...request, prompt: undefined }, ["prompt"]],
    [{ retryOf: "the last one" }, ["retryOf"]],
    [{ retryOf: "51a7c0de-0d6b-4b4e-8a3c-6d1f6a2b7c01", seed: "7" }, ["seed"]],
  ])("%j is refused by the names of what is missing or wrong", async ([body, fields]) => {
    const answer = await tap(app, body);
    expect(Problem.parse(answer.body)).toMatchObject({ status: 400, code: "invalid_request", fields });
  });
});

describe("reference images", () => {
  it("leave Storage a week after their last job and a day after an upload without one, others stay", async () => {
    const [forgotten, unnamed, kept, fresh] = [
      await upload(),
      await upload(),
      await upload(),
      await upload(),
    ];
    const edit = (path: string) => ({ ...request, modelId: "nano-banana-edit", inputPaths: [path] });
    const old = await startJob(app, edit(forgotten));
    const recent = await startJob(app, edit(kept));
    await untilEnded(app, old);
    await untilEnded(app, recent);
    await stack.sql.begin(async (past) => {
      await past`set local session_replication_role = replica`; // no trigger stamps the present
      await past`update storage.objects set created_at = now() - interval '25 hours', updated_at = now() - interval '25 hours'
        where bucket_id = ${bucket} and name = any(${[forgotten, unnamed, kept]})`;
      await past`update public.generation_jobs set ended_at = now() - interval '7 days 1 minute' where id = ${old}`;
    });
    const left = async () => {
      const { data, error } = await app.client.storage.from(bucket).list(app.userId);
      if (error) throw error;
      return data.map(({ name }) => `${app.userId}/${name}`).toSorted();
    };
    expect(await left()).toEqual([forgotten, unnamed, kept, fresh].toSorted());
    await expect.poll(async () => {
      await stack.sweep();
      return await left();
    }, { timeout: 20_000, interval: 300 }).toEqual([kept, fresh].toSorted());
    for (const [path, isThere] of [[forgotten, false], [unnamed, false], [kept, true]] as const) {
      const { data } = await app.client.storage.from(bucket).download(path);
      expect(data !== null).toBe(isThere);
    }

    const gone = await tap(app, { retryOf: old });
    expect([gone.status, gone.body["code"]]).toEqual([400, "input_not_found"]);
    const possible = await startJob(app, { retryOf: recent });
    expect((await untilEnded(app, possible)).status).toBe("completed");
  });
});
