import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import sharp from "sharp";
import { describe, expect, onTestFinished, test } from "vitest";
import { parsePrediction, verifyWebhook } from "../../shared/wavespeed/mod.ts";
import { startHook, startProvider, until } from "./fake-provider.ts";
import { deafUrl, reply, startRawServer } from "./raw-server.ts";

async function pictureAt(url = "") {
  const response = await fetch(url);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const { width, height, format } = await sharp(bytes).metadata();
  return { bytes, width, height, format, contentType: response.headers.get("content-type") };
}

describe("pictures", () => {
  test.each([
    ["wavespeed-ai/flux-dev", { size: "300*444", output_format: "png" }, [300, 444, "png"]],
    ["wavespeed-ai/flux-schnell", { size: "1344*768" }, [1344, 768, "jpeg"]],
    ["wavespeed-ai/z-image/turbo", { size: "256*1536", output_format: "webp" }, [256, 1536, "webp"]],
    ["wavespeed-ai/qwen-image/text-to-image", {}, [1024, 1024, "jpeg"]],
    ["bytedance/seedream-v4", { size: "2560*1440" }, [2560, 1440, "jpeg"]],
    ["google/nano-banana/text-to-image", { aspect_ratio: "16:9" }, [1360, 768, "png"]],
    ["google/nano-banana/text-to-image", { aspect_ratio: "4:5", output_format: "jpeg" }, [912, 1152, "jpeg"]],
  ])("of %s for %o decode to %j", async (modelId, input, [width, height, format]) => {
    const { make } = await startProvider();
    const prediction = await make(input, { modelId });
    expect(prediction.status).toBe("completed");
    const picture = await pictureAt(prediction.outputs[0]);
    expect([picture.width, picture.height, picture.format]).toEqual([width, height, format]);
    expect(picture.contentType).toBe(`image/${format}`);
  });

  test("are served without a key, as many as asked, with the bytes that the journal names", async () => {
    const { fake, make, journal } = await startProvider();
    const { outputs } = await make({ num_images: 3, seed: 1 });
    const [entry] = (await journal()).predictions;
    const hashes = await Promise.all(outputs.map(async (url) => {
      const { bytes } = await pictureAt(url);
      return createHash("sha256").update(bytes).digest("hex");
    }));
    expect(new Set(hashes).size).toBe(3);
    expect(entry?.outputs.map(({ sha256 }) => sha256)).toEqual(hashes);
    expect(outputs).toEqual(entry?.outputs.map(({ path }) => fake.url + path));
    expect((await fetch(`${fake.url}/output/${"0".repeat(32)}-0.jpeg`)).status).toBe(404);
  });

  test("of an edit model are drawn over the reference image", async () => {
    const { wavespeed, make } = await startProvider();
    const modelId = "wavespeed-ai/qwen-image/edit-plus";
    const upload = async (background: string) => {
      const bytes = await sharp({ create: { width: 90, height: 60, channels: 3, background } }).png()
        .toBuffer();
      const uploaded = await wavespeed.upload(
        new Blob([new Uint8Array(bytes)], { type: "image/png" }),
        "in.png",
      );
      if (uploaded.kind !== "ok") throw new Error(uploaded.kind);
      return uploaded.value.url;
    };
    const made = async (...images: string[]) => {
      const { outputs } = await make({ images, seed: 3, size: "320*256", output_format: "png" }, { modelId });
      return await pictureAt(outputs[0]);
    };
    const [red, green] = [await upload("#ff0000"), await upload("#00ff00")];
    const [overRed, overGreen, pinned] = [await made(red), await made(green), await made(red, green)];
    expect([overRed.width, overRed.height]).toEqual([320, 256]);
    const [r, g] = (await sharp(overRed.bytes).stats()).channels.map(({ mean }) => mean);
    const [r2, g2] = (await sharp(overGreen.bytes).stats()).channels.map(({ mean }) => mean);
    expect(r).toBeGreaterThan((g ?? 0) + 30);
    expect(g2).toBeGreaterThan((r2 ?? 0) + 30);
    expect(Buffer.compare(pinned.bytes, overRed.bytes)).not.toBe(0);
  });

  test("of an edit model fail with 1402 when an image cannot be reached or is none", async () => {
    const { fake, make } = await startProvider();
    for (
      const url of [
        await deafUrl(),
        `${fake.url}/upload/none`,
        `${fake.url}/control`,
        "file:///etc/hostname",
        "nonsense",
      ]
    ) {
      const prediction = await make({ images: [url] }, { modelId: "google/nano-banana/edit" });
      expect(prediction, url).toMatchObject({ status: "failed", errorCode: 1402, outputs: [] });
    }
  });
});

describe("callbacks", () => {
  test("are signed, bare, and sent once when they are acknowledged", async () => {
    const { fake, make, journal } = await startProvider();
    const hook = await startHook();
    const prediction = await make({}, { webhookUrl: hook.url });
    const callback = await until(() => hook.callbacks[0] ?? null);
    const nowSeconds = Math.floor(Date.now() / 1000);
    expect(await verifyWebhook({ ...callback, secrets: [fake.webhookSecret], nowSeconds })).toEqual({
      valid: true,
    });
    expect(callback.headers.get("webhook-id")).toBe(prediction.id);
    expect(parsePrediction(callback.body)).toEqual({ kind: "prediction", prediction });
    expect((await journal()).predictions[0]?.callbacks).toEqual({ sent: 1, dropped: 0 });
    expect(hook.callbacks).toHaveLength(1);
  });

  test("tell of failures too", async () => {
    const { make, control } = await startProvider();
    const hook = await startHook();
    await control({ failTasks: true, failure: { code: 5000, message: "Internal error." } });
    await make({}, { webhookUrl: hook.url });
    const callback = await until(() => hook.callbacks[0] ?? null);
    expect(parsePrediction(callback.body)).toMatchObject({
      prediction: { status: "failed", errorCode: 5000 },
    });
  });

  test("are repeated with the same id until they are acknowledged, and no longer", async () => {
    const { make } = await startProvider();
    const hook = await startHook([200, 500, 302]);
    const first = await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    const second = await make({}, { webhookUrl: hook.url });
    // A repetition of the first would be due before those of the second.
    await until(() => hook.callbacks[3] ?? null);
    const ids = hook.callbacks.map(({ headers }) => headers.get("webhook-id"));
    expect(ids).toEqual([first.id, second.id, second.id, second.id]);
  });

  test("are not sent for a task that was deleted while it was being made", async () => {
    const { wavespeed, submit, make } = await startProvider();
    const hook = await startHook();
    const held: Socket[] = [];
    const slow = await startRawServer((socket) => held.push(socket));
    onTestFinished(() => slow.close());
    const more = { modelId: "google/nano-banana/edit", webhookUrl: hook.url };
    const submission = await submit({ images: [slow.url] }, more);
    if (submission.kind !== "accepted") throw new Error(submission.kind);
    const socket = await until(() => held[0] ?? null);
    await wavespeed.delete(submission.taskId);
    socket.end(reply(404, ""));
    const other = await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    expect(hook.callbacks.map(({ headers }) => headers.get("webhook-id"))).toEqual([other.id]);
    expect(await wavespeed.result(submission.taskId)).toMatchObject({ prediction: { status: "deleted" } });
  });

  test("can be dropped a number of times, and sent again on demand", async () => {
    const { make, control, journal } = await startProvider();
    const hook = await startHook();
    await control({ dropCallbacks: 1 });
    const lost = await make({}, { webhookUrl: hook.url });
    await until(async () => (await journal()).predictions[0]?.callbacks.dropped === 1 ? true : null);
    const told = await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    expect(hook.callbacks.map(({ headers }) => headers.get("webhook-id"))).toEqual([told.id]);
    expect((await control({ id: lost.id }, "/redeliver")).status).toBe(200);
    const again = await until(() => hook.callbacks[1] ?? null);
    expect(again.headers.get("webhook-id")).toBe(lost.id);
  });

  test("can carry a signature that does not verify", async () => {
    const { fake, make, control } = await startProvider();
    const hook = await startHook();
    await control({ badSignatures: 1 });
    await make({}, { webhookUrl: hook.url });
    const callback = await until(() => hook.callbacks[0] ?? null);
    const nowSeconds = Math.floor(Date.now() / 1000);
    expect(await verifyWebhook({ ...callback, secrets: [fake.webhookSecret], nowSeconds }))
      .toEqual({ valid: false, reason: "mismatch" });
  });

  test("of a task that has not ended cannot be asked for", async () => {
    const { submit, control } = await startProvider({ latencyMs: 60_000 });
    const submission = await submit();
    if (submission.kind !== "accepted") throw new Error(submission.kind);
    expect((await control({ id: submission.taskId }, "/redeliver")).status).toBe(409);
    expect((await control({ id: "none" }, "/redeliver")).status).toBe(404);
  });
});

describe("faults", () => {
  test("a held answer to a submit comes when it is released; its task has run meanwhile", async () => {
    const { submit, control, journal } = await startProvider();
    await control({ holdSubmitAnswers: true });
    let answered = false;
    const submission = submit().finally(() => answered = true);
    await until(async () => (await journal()).predictions[0]?.status === "completed" ? true : null);
    expect(answered).toBe(false);
    await control({ holdSubmitAnswers: false });
    expect(await submission).toMatchObject({ kind: "accepted", status: "created" });
  });

  test("a dropped answer leaves the submit unknown and its task alive, and the next one is answered", async () => {
    const { submit, control, journal } = await startProvider();
    await control({ dropSubmitAnswers: 1 });
    expect(await submit()).toMatchObject({ kind: "unknown", cause: "network" });
    expect((await journal()).predictions).toHaveLength(1);
    expect(await submit()).toMatchObject({ kind: "accepted" });
  });

  test("a rejected submit makes no task and is answered as told, as often as told", async () => {
    const { submit, control, journal } = await startProvider();
    await control({
      rejectSubmits: 2,
      rejection: {
        httpStatus: 429,
        body: { code: 429, message: "slow down" },
        headers: { "retry-after": "3" },
      },
    });
    expect(await submit()).toMatchObject({ kind: "rejected", class: "rate_limited", retryAfterSeconds: 3 });
    await control({ rejection: { httpStatus: 502, body: "<html>bad gateway</html>", headers: {} } });
    expect(await submit()).toMatchObject({ kind: "unknown", cause: "server_error" });
    expect((await journal()).predictions).toEqual([]);
    expect(await submit()).toMatchObject({ kind: "accepted" });
  });

  test("failing tasks fail as told, as often as told", async () => {
    const { make, control } = await startProvider();
    await control({ failTasks: 1, failure: { code: 1403, message: "no luck" } });
    expect(await make()).toMatchObject({ status: "failed", errorCode: 1403, error: "no luck", outputs: [] });
    expect(await make()).toMatchObject({ status: "completed" });
  });

  test("a moderated word fails its task with 1200", async () => {
    const { make, control } = await startProvider();
    await control({ moderateWords: ["Gore"] });
    expect(await make({ prompt: "much gore" })).toMatchObject({ status: "failed", errorCode: 1200 });
    expect(await make()).toMatchObject({ status: "completed" });
  });

  test("flags can be raised and left out", async () => {
    const { make, control } = await startProvider();
    await control({ flagOutputs: true });
    expect((await make({ num_images: 2 })).flagged).toEqual([true, true]);
    await control({ omitFlags: true });
    expect((await make()).flagged).toEqual([]);
  });

  test("above its concurrency the account is refused, or made to wait", async () => {
    const { submit, control, journal } = await startProvider({ latencyMs: 60_000, concurrency: 1 });
    await submit();
    expect(await submit()).toMatchObject({ kind: "rejected", class: "rate_limited", httpStatus: 429 });
    await control({ concurrencyMode: "wait" });
    expect(await submit()).toMatchObject({ kind: "accepted" });
    const statuses = async () => (await journal()).predictions.map(({ status }) => status);
    expect(await statuses()).toEqual(["processing", "created"]);
    await control({ latencyMs: 0 });
    await until(async () => (await statuses()).every((status) => status === "completed") ? true : null);
  });

  test("a waiting task starts when the one before it is deleted", async () => {
    const { wavespeed, submit, control, journal } = await startProvider({
      latencyMs: 60_000,
      concurrency: 1,
    });
    await control({ concurrencyMode: "wait" });
    const first = await submit();
    await submit();
    if (first.kind !== "accepted") throw new Error(first.kind);
    await wavespeed.delete(first.taskId);
    expect((await journal()).predictions.map(({ status }) => status)).toEqual(["deleted", "processing"]);
  });

  test("base64 output together with a callback is refused as the provider refuses it", async () => {
    const { submit } = await startProvider();
    const submission = await submit({ enable_base64_output: true }, { webhookUrl: "https://app.example/" });
    expect(submission).toMatchObject({ kind: "rejected", class: "bad_input", httpStatus: 400 });
  });

  test("a setting that does not exist is refused, and a reset brings back the first settings", async () => {
    const { make, control, journal } = await startProvider({ latencyMs: 1 });
    expect((await control({ failTask: true })).status).toBe(400);
    await control({ failTasks: true, latencyMs: 5 });
    await make();
    await control({}, "/reset");
    expect(await journal()).toMatchObject({ predictions: [], settings: { failTasks: false, latencyMs: 1 } });
  });

  test("the journal holds no prompt", async () => {
    const { fake, submit } = await startProvider({ latencyMs: 60_000 });
    await submit({ prompt: "a very private fox" });
    expect(await (await fetch(`${fake.url}/control`)).text()).not.toContain("private");
  });

  test("stop ends held answers and pending callbacks at once", async () => {
    const { fake, make, submit, control } = await startProvider();
    const hook = await startHook([500, 500, 500, 500]);
    await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    await control({ holdSubmitAnswers: true });
    const held = submit();
    await until(async () => (await (await fetch(`${fake.url}/control`)).json()).predictions[1] ?? null);
    await fake.stop();
    expect(["accepted", "unknown"]).toContain((await held).kind);
    const delivered = hook.callbacks.length;
    expect(delivered).toBeLessThan(4);
  });
});
