// retryOf: an ended job's request is copied under what is sent with it, and the two are linked.

import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase, type Row } from "./database.ts";
import { createScenario, prompt, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

type Tap = Parameters<typeof kernel.start>[0];

/** The tap of "try again": nothing is sent but what is named. */
function retry(userId: string, retryOf: string, more: Row = {}): Tap {
  return { ...startArguments(userId), request: { retryOf, ...more } };
}

async function started(tap: Tap): Promise<string> {
  const answer = await kernel.start(tap);
  if (!answer.ok) throw new Error(`refused: ${JSON.stringify(answer.error)}`);
  expect(answer.job.retryOf).toBe(tap.request["retryOf"]);
  return answer.job.id;
}

async function upload(userId: string): Promise<string> {
  const path = `${userId}/${randomUUID()}`;
  await sql`insert into storage.objects (bucket_id, name) values ('generation-inputs', ${path})`;
  return path;
}

/** What was asked for, in the request's own words. */
async function requestOf(jobId: string): Promise<Row> {
  const [row] = await sql`
    select model_id as "modelId", aspect_ratio as "aspectRatio", num_images as "numImages", seed::integer,
      input_paths as "inputPaths", prompt
    from public.generation_jobs j left join public.generation_prompts p on p.job_id = j.id where j.id = ${jobId}`;
  return row ?? {};
}

/** A canceled job of four pictures, with a seed of its own. */
async function endedJob(userId: string, more: Row = {}): Promise<string> {
  const jobId = await scenario.start(userId, {
    modelId: "flux-dev",
    aspectRatio: "3:2",
    numImages: 4,
    seed: 4711,
    ...more,
  });
  await kernel.cancel(userId, jobId);
  return jobId;
}

test("a retry copies model, words, ratio, number and seed, and is a job like any other", async () => {
  const userId = await db.addUser();
  const endedId = await endedJob(userId);
  const before = await scenario.balance(userId);
  const jobId = await started(retry(userId, endedId));
  expect(await requestOf(jobId)).toEqual({
    modelId: "flux-dev",
    aspectRatio: "3:2",
    numImages: 4,
    seed: 4711,
    inputPaths: [],
    prompt,
  });
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued", retry_of: endedId, credits_held: 8 });
  expect(await scenario.balance(userId)).toBe(before - 8);
  expect(await scenario.closings(endedId)).toEqual([{ amount: 8, captured: 0 }]);
  expect(await scenario.job(endedId)).toMatchObject({ status: "canceled", retry_of: null });
});

test("a retry copies the reference images, in their order", async () => {
  const userId = await db.addUser();
  const inputPaths = [await upload(userId), await upload(userId), await upload(userId)].toSorted().reverse();
  const asked = { modelId: "qwen-image-edit", inputPaths, numImages: 1, seed: 7, aspectRatio: "16:9" };
  const endedId = await endedJob(userId, asked);
  const jobId = await started(retry(userId, endedId));
  expect(await requestOf(jobId)).toEqual({ ...asked, prompt });
  const claim = (await scenario.claim()).find((each) => each.jobId === jobId);
  expect(claim).toMatchObject({ prompt, aspectRatio: "16:9", numImages: 1, seed: 7, inputPaths });
});

test.each<[string, unknown]>([
  ["modelId", "flux-schnell"],
  ["prompt", "a heron instead"],
  ["aspectRatio", "9:16"],
  ["numImages", 1],
  ["seed", 0],
])("%s as it is sent wins over what it was, and nothing else changes", async (name, value) => {
  const userId = await db.addUser();
  const endedId = await endedJob(userId);
  const jobId = await started(retry(userId, endedId, { [name]: value }));
  expect(await requestOf(jobId)).toEqual({ ...await requestOf(endedId), [name]: value });
});

test("reference images that are sent replace all of the old ones", async () => {
  const userId = await db.addUser();
  const [old, other] = [await upload(userId), await upload(userId)];
  const endedId = await endedJob(userId, { modelId: "nano-banana-edit", numImages: 1, inputPaths: [old] });
  const jobId = await started(retry(userId, endedId, { inputPaths: [other] }));
  expect(await requestOf(jobId)).toMatchObject({ modelId: "nano-banana-edit", inputPaths: [other] });
  // None at all is something sent, too.
  expect(await kernel.start(retry(userId, endedId, { inputPaths: [] }))).toMatchObject({
    ok: false,
    error: { code: "unsupported_input_count", fields: ["inputPaths"] },
  });
});

test("a seed that was left open is left open again: the attempt draws one of its own", async () => {
  const userId = await db.addUser();
  await db.fixRandom(0.25);
  const first = await scenario.claimed(userId);
  await kernel.cancel(userId, first.jobId);
  await db.fixRandom(0.75);
  const jobId = await started(retry(userId, first.jobId));
  expect((await requestOf(jobId))["seed"]).toBeNull();
  const second = (await scenario.claim()).find((each) => each.jobId === jobId);
  expect([first.seed, second?.seed]).toEqual([
    Math.floor(0.25 * 2_147_483_647),
    Math.floor(0.75 * 2_147_483_647),
  ]);
});

test("the price of a retry is that of now", async () => {
  const userId = await db.addUser();
  const endedId = await endedJob(userId);
  onTestFinished(async () => {
    await sql`update public.generation_models set credits_per_image = 2 where id = 'flux-dev'`;
  });
  await sql`update public.generation_models set credits_per_image = 3 where id = 'flux-dev'`;
  const jobId = await started(retry(userId, endedId));
  expect(await scenario.job(jobId)).toMatchObject({ credits_per_image: 3, credits_held: 12 });
  expect(await scenario.job(endedId)).toMatchObject({ credits_per_image: 2, credits_held: 8 });
});

test("a retry is checked as a request of now: what no longer can be asked for is refused by its field", async () => {
  const userId = await db.addUser();
  const endedId = await endedJob(userId);
  await sql`update public.generation_models set enabled = false where id = 'flux-dev'`;
  expect(await kernel.start(retry(userId, endedId))).toMatchObject({
    ok: false,
    error: { code: "unknown_model", fields: ["modelId"] },
  });
  // One that makes a single picture at a time.
  expect(await kernel.start(retry(userId, endedId, { modelId: "nano-banana" }))).toMatchObject({
    ok: false,
    error: { code: "unsupported_image_count", fields: ["numImages"], allowed: [1] },
  });
  await started(retry(userId, endedId, { modelId: "nano-banana", numImages: 1 }));
});

test("the same key again is the same job, even once the words of the first are gone; another body is refused", async () => {
  const userId = await db.addUser();
  const endedId = await endedJob(userId);
  const tap = retry(userId, endedId);
  const jobId = await started(tap);
  await sql`delete from public.generation_prompts where job_id = ${endedId}`;
  expect(await kernel.start(tap)).toMatchObject({ ok: true, replay: true, job: { id: jobId } });
  const other = {
    ...retry(userId, endedId, { seed: 1 }),
    idempotencyKey: tap.idempotencyKey,
    requestHash: "b".repeat(64),
  };
  expect(await kernel.start(other)).toEqual({ ok: false, error: { code: "idempotency_key_reused" } });
  expect(await sql`select id from public.generation_jobs where retry_of = ${endedId}`).toEqual([{
    id: jobId,
  }]);
});

test("20 retries at once with one key make one job", async () => {
  const userId = await db.addUser();
  const tap = retry(userId, await endedJob(userId));
  const answers = await db.racing(userId, Array.from({ length: 20 }, () => () => kernel.start(tap)));
  expect(new Set(answers.map((answer) => (answer.ok ? answer.job.id : answer.error.code))).size).toBe(1);
  expect(await scenario.balance(userId)).toBe(12);
});

test("a retry of a retry copies the retry and is linked to it", async () => {
  const userId = await db.addUser();
  const second = await started(retry(userId, await endedJob(userId), { prompt: "a heron instead" }));
  await kernel.cancel(userId, second);
  const third = await started(retry(userId, second, { seed: 5 }));
  expect(await requestOf(third)).toEqual({ ...await requestOf(second), seed: 5 });
});

test("a completed job can be tried again as well", async () => {
  const userId = await db.addUser();
  const { jobId: endedId } = await scenario.completed(userId);
  const jobId = await started(retry(userId, endedId));
  expect(await requestOf(jobId)).toEqual(await requestOf(endedId));
});

const notPossible = { ok: false, error: { code: "retry_not_possible", fields: ["retryOf"] } };

test("a foreign, an unknown and a running job are refused in the same words, and nothing is held", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const foreign = await endedJob(otherId);
  const running = await scenario.start(userId);
  const before = await scenario.balance(userId);
  for (const retryOf of [foreign, randomUUID(), running]) {
    expect(await kernel.start(retry(userId, retryOf))).toEqual(notPossible);
    // Whatever is sent with it: what is tried again must be an ended job of one's own.
    expect(await kernel.start(startArguments(userId, { retryOf }))).toEqual(notPossible);
  }
  expect(await scenario.balance(userId)).toBe(before);
  const jobs = await sql`select id from public.generation_jobs where user_id = ${userId}`;
  expect(jobs).toEqual([{ id: running }]);
});

test.each<[string, (jobId: string) => postgres.PendingQuery<postgres.Row[]>]>([
  ["row", (jobId) => sql`delete from public.generation_prompts where job_id = ${jobId}`],
  ["text", (jobId) => sql`update public.generation_prompts set prompt = null where job_id = ${jobId}`],
])("a job whose words' %s is gone can be tried again with new words only", async (_, forget) => {
  const userId = await db.addUser();
  const endedId = await endedJob(userId);
  await forget(endedId);
  expect(await kernel.start(retry(userId, endedId))).toEqual(notPossible);
  const jobId = await started(retry(userId, endedId, { prompt: "a heron instead" }));
  expect(await requestOf(jobId)).toMatchObject({
    modelId: "flux-dev",
    seed: 4711,
    prompt: "a heron instead",
  });
});

test("reference images that are gone, or about to be, are named as the reason", async () => {
  const userId = await db.addUser();
  const inputPath = await upload(userId);
  const endedId = await endedJob(userId, {
    modelId: "nano-banana-edit",
    numImages: 1,
    inputPaths: [inputPath],
  });
  const gone = { ok: false, error: { code: "input_not_found", fields: ["inputPaths"] } };
  const day = 24 * 3600;
  await db.advance(7 * day - 60);
  await sql`select genflow.purge_inputs()`;
  await kernel.cancel(userId, await started(retry(userId, endedId)));
  await db.advance(7 * day + 60);
  await sql`select genflow.purge_inputs()`;
  expect(await kernel.start(retry(userId, endedId))).toEqual(gone);
  await sql`update genflow.storage_purges set done_at = genflow.clock()`;
  await sql`update storage.objects set name = ${`${userId}/elsewhere`} where name = ${inputPath}`;
  expect(await kernel.start(retry(userId, endedId))).toEqual(gone);
  await started(retry(userId, endedId, { inputPaths: [await upload(userId)] }));
});

test("the words that are copied stand in generation_prompts alone", async () => {
  const userId = await db.addUser();
  const words = "zebra-lantern über Brücken";
  const endedId = await endedJob(userId, { prompt: words });
  const answer = await kernel.start(retry(userId, endedId));
  expect(JSON.stringify(answer)).not.toContain("zebra");
  const jobId = answer.ok ? answer.job.id : "";
  const holders = await sql<{ rows: string }[]>`
    select row_to_json(j)::text as rows from public.generation_jobs j
    union all select row_to_json(e)::text from public.generation_events e
    union all select row_to_json(c)::text from public.credit_entries c
    union all select row_to_json(m)::text from realtime.messages m`;
  expect(holders.filter(({ rows }) => rows.includes(jobId)).length).toBeGreaterThan(3);
  expect(holders.filter(({ rows }) => rows.includes("zebra"))).toEqual([]);
});

/** Where a copied row could meet a failure: whatever the database tells of it goes into its log, too. */
test.each(["generation_jobs", "generation_prompts", "credit_entries", "generation_events"])(
  "a retry that fails while it writes %s tells no copied word",
  async (table) => {
    const userId = await db.addUser();
    const words = "zebra-lantern über Brücken";
    const endedId = await endedJob(userId, { prompt: words });
    const fault = sql.unsafe(`create function public.fault() returns trigger language plpgsql as
      $$ begin raise exception 'no room' using errcode = 'disk_full'; end $$;
      create trigger fault before insert on public.${table} for each row execute function public.fault()`);
    onTestFinished(async () => {
      await sql.unsafe("drop function public.fault() cascade");
    });
    await fault;
    const error = await kernel.start(retry(userId, endedId)).catch((caught: unknown) => caught);
    if (!(error instanceof postgres.PostgresError)) throw new Error("nothing failed");
    expect(error.code).toBe("53100");
    const { message, detail = "", hint = "", where = "", query = "" } = error;
    expect([message, detail, hint, where, query].join("\n")).not.toContain("zebra");
  },
);
