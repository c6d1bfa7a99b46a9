// Thumbnails and placeholders, from the delivery to the app, by the function's own decoder. What decoding costs is taken
// from nobody but the thumbnail.

import sharp, { type Sharp } from "sharp";
import { thumbHashToApproximateAspectRatio, thumbHashToAverageRGBA } from "thumbhash";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type GenerationImage } from "../../shared/contract/mod.ts";
import { createWavespeed, signWebhook } from "../../shared/wavespeed/mod.ts";
import { loadKeys, type StackKeys } from "../../supabase/local/keys.ts";
import { type App, openApp, startJob, untilEnded, untilStatus } from "./app.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";
import { manyScans } from "./hostile-picture.ts";

let stack: ControlledStack;
let keys: StackKeys;
let app: App;
const logged: string[] = [];

beforeAll(async () => {
  stack = await startControlledStack({ log: (line) => logged.push(line) });
  keys = await loadKeys(stack.dataDirectory);
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  // Nobody hears of the provider's own pictures: a test says what was delivered.
  await stack.provider({ latencyMs: 100, dropCallbacks: true });
  app = await openApp(stack);
  return () => app.close();
});

/** A job that the provider completes with this picture. */
async function deliver(bytes: Uint8Array): Promise<string> {
  const jobId = await startJob(app);
  await untilStatus(app, jobId, "processing");
  const provider = createWavespeed({ baseUrl: stack.wavespeedUrl!, apiKey: keys.providerApiKey });
  const uploaded = await provider.upload(
    new Blob([new Uint8Array(bytes)], { type: "image/jpeg" }),
    "picture",
  );
  if (uploaded.kind !== "ok") throw new Error(`upload: ${uploaded.kind}`);
  const [attempt] = await stack.sql`select task_id from genflow.attempts where job_id = ${jobId}`;
  const body = JSON.stringify({
    id: attempt!["task_id"],
    model: "m",
    status: "completed",
    outputs: [uploaded.value.url],
  });
  const answer = await fetch(`${stack.url}/functions/v1/wavespeed-webhook`, {
    method: "POST",
    headers: {
      ...await signWebhook({
        secret: keys.providerWebhookSecret,
        id: "delivery",
        body: new TextEncoder().encode(body),
        timestampSeconds: Math.floor(Date.now() / 1000),
      }),
    },
    body,
  });
  await answer.body?.cancel();
  expect(answer.status).toBe(200);
  return jobId;
}

const pushed = (jobId: string) =>
  app.changes.flatMap(({ images }) => images).filter((image) => image.jobId === jobId);
const file = async (path: string) => {
  const { data, error } = await app.client.storage.from("generations").download(path);
  if (error) throw error;
  return Buffer.from(await data.arrayBuffer());
};

/** The picture as it was pushed with its thumbnail, and the thumbnail. */
async function drawn(jobId: string): Promise<{ image: GenerationImage; thumbnail: Buffer }> {
  const withThumbnail = () => pushed(jobId).find(({ thumbPath }) => thumbPath !== null);
  await app.until(() => withThumbnail() !== undefined, "the thumbnail is pushed");
  const image = withThumbnail()!;
  return { image, thumbnail: await file(image.thumbPath!) };
}

/** Left half red, right half blue, the top of both dark. */
async function scene(width: number, height: number): Promise<Sharp> {
  const part = (w: number, h: number, background: string) =>
    sharp({ create: { width: w, height: h, channels: 3, background } }).png().toBuffer();
  return sharp(await part(width, height, "#e02020")).composite([
    { input: await part(width / 2, height, "#2020e0"), left: width / 2, top: 0 },
    { input: await part(width, height / 4, "#101010"), left: 0, top: 0 },
  ]);
}

/** Mean difference of two pictures' pixels, of 255. */
async function difference(one: Buffer, other: Buffer): Promise<number> {
  const raw = (bytes: Buffer) =>
    sharp(bytes).rotate().resize(64, 64, { fit: "fill" }).removeAlpha().raw().toBuffer();
  const [a, b] = [await raw(one), await raw(other)];
  return a.reduce((sum, value, at) => sum + Math.abs(value - (b[at] ?? 0)), 0) / a.length;
}

describe("a delivered picture", () => {
  it.for<[string, () => Promise<Buffer>, { width: number; height: number; format: string }]>([
    ["a JPEG", async () => (await scene(1024, 768)).jpeg().toBuffer(), {
      width: 512,
      height: 384,
      format: "jpeg",
    }],
    ["a PNG", async () => (await scene(768, 1024)).png().toBuffer(), {
      width: 384,
      height: 512,
      format: "jpeg",
    }],
    ["a WebP", async () => (await scene(2048, 2048)).webp().toBuffer(), {
      width: 512,
      height: 512,
      format: "jpeg",
    }],
    [
      "a JPEG that lies on its side",
      async () => (await scene(1024, 512)).jpeg().withMetadata({ orientation: 6 }).toBuffer(),
      { width: 256, height: 512, format: "jpeg" },
    ],
    [
      "a picture that can be seen through",
      () =>
        sharp({ create: { width: 600, height: 300, channels: 4, background: "#20e02080" } }).png().toBuffer(),
      { width: 512, height: 256, format: "webp" },
    ],
    ["one that is small already", async () => (await scene(40, 80)).png().toBuffer(), {
      width: 40,
      height: 80,
      format: "jpeg",
    }],
  ])("gets its thumbnail and placeholder, pushed to the app: %s", async ([, make, expected]) => {
    const original = await make();
    const jobId = await deliver(original);
    const { image, thumbnail } = await drawn(jobId);
    const { width, height, format, hasAlpha } = await sharp(thumbnail).metadata();
    expect({ width, height, format }).toEqual(expected);
    expect(hasAlpha).toBe(expected.format === "webp");
    expect(await difference(thumbnail, original)).toBeLessThan(4);
    // The placeholder has its colour and its shape.
    const hash = Buffer.from(image.thumbhash!, "base64");
    const { channels } = await sharp(original).stats();
    const colour = thumbHashToAverageRGBA(hash);
    for (const [at, name] of (["r", "g", "b"] as const).entries()) {
      expect(Math.abs(colour[name] * 255 - channels[at]!.mean)).toBeLessThan(16);
    }
    const shape = thumbHashToApproximateAspectRatio(hash);
    expect(Math.abs(Math.log2(shape / (expected.width / expected.height)))).toBeLessThan(0.35);
  });

  it("has its thumbnail removed with it", async () => {
    const { image } = await drawn(await deliver(await (await scene(640, 640)).jpeg().toBuffer()));
    const { error } = await app.client.rpc("delete_images", { p_image_ids: [image.id] });
    expect(error).toBeNull();
    await stack.sweep();
    await expect.poll(() => stack.sql`select from storage.objects where name like ${`${image.path}%`}`, {
      timeout: 20_000,
    })
      .toHaveLength(0);
  });
});

describe("a picture whose decoding kills the process", () => {
  const kills = () =>
    logged.filter((line) => line.startsWith("[thumbnail] ") && line.includes("killed")).length;
  const state = async (jobId: string) => {
    const [row] = await stack
      .sql`select t.tries, t.due_at is not null as due, t.outcome from genflow.thumbnails t
      join public.generation_images i on i.id = t.image_id where i.job_id = ${jobId}`;
    return row;
  };

  it("is delivered all the same, costs its counted tries and nobody else anything", async () => {
    await stack.settings({ thumbnail_tries: 2, thumbnail_retry_seconds: 0 });
    const hostile = await manyScans(8000);
    const jobId = await deliver(hostile);
    expect(await untilEnded(app, jobId)).toMatchObject({ status: "completed", creditsCaptured: 1 });
    await expect.poll(kills, { timeout: 20_000 }).toBe(1);
    expect(await state(jobId)).toEqual({ tries: 1, due: true, outcome: null });
    // Found by the sweep: the last try.
    await stack.sweep();
    await expect.poll(kills, { timeout: 20_000 }).toBe(2);
    expect(await state(jobId)).toEqual({ tries: 2, due: false, outcome: null });
    expect((await stack.sql`select genflow.http_work() -> 'thumbnails' as due`)[0]).toEqual({ due: 0 });
    const [image] = pushed(jobId);
    expect(image).toMatchObject({ thumbPath: null, thumbhash: null });
    expect(await file(image!.path)).toEqual(hostile);
    // The next picture gets its own.
    await drawn(await deliver(await (await scene(640, 640)).jpeg().toBuffer()));
  });
});
