import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { ask, type Provider, startProvider, taskOf } from "./fake-provider.ts";

const day = 24 * 60 * 60;

/** A file that is announced, and a PUT of it as the first of two steps asks for it. */
async function announce(provider: Provider) {
  const asked = { filename: "a.webp", size: 3, content_type: "image/webp" };
  const { body } = await ask(provider, "POST media/uploads", asked);
  const { download_url: url, upload } = body.data;
  const put = async (changes: { headers?: Record<string, string>; body?: string } = {}) => {
    const request = { method: upload.method, headers: upload.headers, body: "abc", ...changes };
    return (await fetch(upload.url, request)).status;
  };
  return { url, upload, put };
}

describe("an upload in two steps", () => {
  test("takes the file with the headers that it was told, without the key, and in the size that was told", async () => {
    const provider = await startProvider();
    const { url, upload, put } = await announce(provider);
    const { apiKey } = provider.fake;
    expect(await put({ headers: { ...upload.headers, authorization: `Bearer ${apiKey}` } })).toBe(400);
    expect(await put({ headers: { "content-type": "image/png" } })).toBe(403);
    expect(await put({ body: "abcd" })).toBe(400);
    expect((await fetch(url)).status).toBe(404);
    expect(await put()).toBe(200);
    expect(await put()).toBe(404);
    expect(await (await fetch(url)).text()).toBe("abc");
  });

  test("is open for an hour, and its file there for 7 days", async () => {
    const provider = await startProvider();
    const [late, inTime] = [await announce(provider), await announce(provider)];
    await provider.advance(59 * 60);
    expect(await inTime.put()).toBe(200);
    await provider.advance(60);
    expect(await late.put()).toBe(404);
    expect((await fetch(inTime.url)).status).toBe(200);
    await provider.advance(7 * day);
    expect((await fetch(inTime.url)).status).toBe(403);
  });

  test("is refused at its announcement when the file is too large", async () => {
    const provider = await startProvider();
    const asked = { filename: "a.mp4", size: 200 * 1024 * 1024 };
    expect((await ask(provider, "POST media/uploads", asked)).status).toBe(200);
    expect((await ask(provider, "POST media/uploads", { ...asked, size: asked.size + 1 })).status).toBe(413);
  });
});

test("the old upload answers with a URL, and takes images up to 20 MiB", async () => {
  const { fake, control } = await startProvider();
  await control({ oldRoutes: "served" });
  const upload = async (bytes: number) => {
    const form = new FormData();
    form.set("file", new Blob([new Uint8Array(bytes)], { type: "image/png" }), "a.png");
    const headers = { authorization: `Bearer ${fake.apiKey}` };
    const response = await fetch(`${fake.url}/api/v3/upload`, { method: "POST", headers, body: form });
    return { status: response.status, body: await response.json() };
  };
  const { body } = await upload(3);
  expect((await (await fetch(body.data.url)).arrayBuffer()).byteLength).toBe(3);
  expect((await upload(20 * 1024 * 1024 + 1)).status).toBe(413);
});

describe("base64 output", () => {
  test.each([[false, "by polling"], [true, "in sync mode"]])(
    "is a picture without a prefix (sync: %s, so it comes %s)",
    async (isSync) => {
      const { submit, ended } = await startProvider();
      const submission = await submit({ enable_base64_output: true, enable_sync_mode: isSync });
      if (submission.kind !== "accepted") throw new Error(submission.kind);
      const prediction = isSync ? submission.prediction : await ended(submission);
      expect(prediction).toMatchObject({ status: "completed", outputs: [] });
      const { format } = await sharp(Buffer.from(String(prediction.otherOutputs[0]), "base64")).metadata();
      expect(format).toBe("jpeg");
    },
  );

  test("is refused together with a callback, in the one shape that is documented for it", async () => {
    const provider = await startProvider();
    const input = { prompt: "a fox", enable_base64_output: true };
    const webhook = encodeURIComponent("https://app.example/hook");
    expect(await ask(provider, `POST wavespeed-ai/flux-dev?webhook=${webhook}`, input)).toEqual({
      status: 400,
      body: { error: "webhook callback does not support base64 output" },
    });
  });
});

test("sync mode tells of a task that failed, and of one that was deleted meanwhile", async () => {
  const { submit, control, journal, wavespeed } = await startProvider({ settings: { oldDelete: "stops" } });
  await control({ failTasks: 1 });
  const failed = await submit({ enable_sync_mode: true });
  expect(failed).toMatchObject({ kind: "accepted", status: "failed", prediction: { errorCode: 1405 } });
  await control({ latencyMs: 60_000 });
  const waiting = submit({ enable_sync_mode: true });
  await expect.poll(async () => (await journal()).predictions.length).toBe(2);
  await wavespeed.delete((await journal()).predictions[1]?.id ?? "");
  const deleted = await waiting;
  expect(deleted).toMatchObject({ kind: "accepted", status: "deleted" });
  expect(taskOf(deleted)).not.toBe(taskOf(failed));
});
