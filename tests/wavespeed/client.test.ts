import { describe, expect, onTestFinished, test } from "vitest";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";
import { deafUrl, reply, startRawServer } from "./raw-server.ts";
import { startProvider } from "./fake-provider.ts";

const taskId = "45b392b22c3b449fa935bd4dc2219dfe";
const frame = (data: unknown, code = 200) => JSON.stringify({ code, message: "m", data });

async function answering(status: number, body: string, headers: Record<string, string> = {}) {
  const server = await startRawServer((socket) => socket.end(reply(status, body, headers)));
  onTestFinished(() => server.close());
  return { server, wavespeed: createWavespeed({ baseUrl: server.url, apiKey: "key" }) };
}

describe("result", () => {
  test.each([
    [404, frame(null, 404), { kind: "not_found" }],
    [200, frame(null, 404), { kind: "not_found" }],
    [429, "", { kind: "rate_limited", retryAfterSeconds: 9 }],
    [500, "<html>", {
      kind: "unavailable",
      cause: "server_error",
      httpStatus: 500,
      detail: "server_error http=500",
    }],
    [200, frame(null, 5000), { kind: "unavailable", cause: "server_error" }],
    [401, frame(null, 401), { kind: "unavailable", cause: "unauthorized" }],
    [403, "", { kind: "unavailable", cause: "unauthorized" }],
    [400, "", { kind: "unavailable", cause: "refused" }],
    [302, "", { kind: "unavailable", cause: "refused" }],
    [200, "<html>", { kind: "unavailable", cause: "unreadable" }],
    [200, frame({ id: taskId }), { kind: "unavailable", cause: "unreadable" }],
    [200, frame({ id: "another", status: "completed" }), { kind: "unavailable", cause: "unreadable" }],
  ])("on HTTP %i %s is %o", async (status, body, expected) => {
    const { server, wavespeed } = await answering(status, body, {
      "Retry-After": "9",
      "Location": "/elsewhere",
    });
    expect(await wavespeed.result(taskId)).toMatchObject(expected);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toMatch(new RegExp(`^GET /api/v3/predictions/${taskId}/result HTTP`));
  });

  test("is unavailable when nobody listens, and at the deadline", async () => {
    const wavespeed = createWavespeed({ baseUrl: await deafUrl(), apiKey: "key" });
    expect(await wavespeed.result(taskId)).toMatchObject({
      kind: "unavailable",
      cause: "network",
      httpStatus: null,
    });
    const server = await startRawServer(() => {});
    onTestFinished(() => server.close());
    const waiting = createWavespeed({ baseUrl: server.url, apiKey: "key" });
    expect(await waiting.result(taskId, { deadlineMs: 50 })).toMatchObject({
      kind: "unavailable",
      cause: "timeout",
    });
  });

  test.each(["", "..", "a/b", "a?b", "x".repeat(129)])("asks nobody about the id %j", async (id) => {
    const { server, wavespeed } = await answering(200, frame({ id: "x", status: "completed" }));
    expect(await wavespeed.result(id)).toMatchObject({ kind: "unavailable", cause: "refused" });
    expect(await wavespeed.delete(id)).toMatchObject({ kind: "unavailable", cause: "refused" });
    expect(server.requests).toHaveLength(0);
  });
});

describe("against the stand-in", () => {
  test("a submit is accepted with its input, then its result is completed and has no input", async () => {
    const { submit, ended } = await startProvider();
    const submission = await submit({ seed: 7, unknown_key: true });
    if (submission.kind !== "accepted") throw new Error(submission.kind);
    expect(submission.status).toBe("created");
    expect(submission.taskId).toMatch(/^[0-9a-f]{32}$/);
    const resolved = { prompt: "a red fox", size: "256*256", seed: 7, num_images: 1, guidance_scale: 3.5 };
    expect(submission.prediction.input).toMatchObject(resolved);
    expect(submission.prediction.input).not.toHaveProperty("unknown_key");
    const prediction = await ended(submission);
    expect(prediction).toMatchObject({
      id: submission.taskId,
      model: "wavespeed-ai/flux-dev",
      status: "completed",
      flagged: [false],
    });
    expect(prediction).not.toHaveProperty("input");
    expect(prediction.outputs).toHaveLength(1);
    expect(prediction.createdAt).toBe(submission.prediction.createdAt);
  });

  test.each([
    [{ size: "100*100" }, "bad_input"],
    [{ size: "1024x1024" }, "bad_input"],
    [{ num_images: 5 }, "bad_input"],
    [{ output_format: "gif" }, "bad_input"],
    [{ seed: 1.5 }, "bad_input"],
    [{ prompt: "" }, "bad_input"],
  ])("the input %o is rejected as %s and makes no task", async (input, expected) => {
    const { submit, journal } = await startProvider();
    expect(await submit(input)).toMatchObject({ kind: "rejected", class: expected, httpStatus: 400 });
    expect((await journal()).predictions).toEqual([]);
  });

  test("an unknown model, and a wrong key, are told apart", async () => {
    const { fake, submit } = await startProvider();
    expect(await submit({}, { modelId: "wavespeed-ai/no-such" })).toMatchObject({ class: "model_not_found" });
    const stranger = createWavespeed({ baseUrl: fake.url, apiKey: "wrong" });
    const submission = await stranger.submit({
      modelId: "wavespeed-ai/flux-dev",
      input: { prompt: "x" },
      deadlineMs: 5000,
    });
    expect(submission).toMatchObject({ kind: "rejected", class: "unauthorized", httpStatus: 401 });
    expect(await stranger.balance()).toMatchObject({ kind: "unavailable", cause: "unauthorized" });
  });

  test("the list has the newest first, by model and time, page by page", async () => {
    const { wavespeed, submit, control } = await startProvider({ latencyMs: 60_000, concurrency: 10 });
    const first = await submit({ seed: 1 });
    const second = await submit({ seed: 2 });
    await submit({}, { modelId: "google/nano-banana/text-to-image" });
    if (first.kind !== "accepted" || second.kind !== "accepted") throw new Error("not accepted");
    const window = {
      createdAfter: new Date(Date.now() - 60_000),
      createdBefore: new Date(Date.now() + 60_000),
    };
    const list = (page: number, modelId?: string) =>
      wavespeed.list({ ...window, page, pageSize: 1, ...(modelId === undefined ? {} : { modelId }) });
    expect(await list(1)).toMatchObject({ kind: "ok", value: { total: 3, unreadable: 0 } });
    const pages = [await list(1, "wavespeed-ai/flux-dev"), await list(2, "wavespeed-ai/flux-dev")];
    const items = pages.flatMap((page) => page.kind === "ok" ? page.value.items : []);
    expect(items.map(({ input }) => input?.["seed"]).toSorted()).toEqual([1, 2]);
    expect(await list(3, "wavespeed-ai/flux-dev")).toMatchObject({ kind: "ok", value: { items: [] } });
    const past = { ...window, createdBefore: new Date(Date.now() - 30_000), page: 1, pageSize: 100 };
    expect(await wavespeed.list(past)).toMatchObject({ kind: "ok", value: { items: [] } });
    await control({ echoInputs: false });
    const silent = await list(1);
    expect(silent.kind === "ok" && silent.value.items[0]).not.toHaveProperty("input");
  });

  test("delete stops a running task, which then says so, and forgets a finished one", async () => {
    const { wavespeed, submit, journal } = await startProvider({ latencyMs: 60_000 });
    const running = await submit();
    if (running.kind !== "accepted") throw new Error(running.kind);
    expect(await wavespeed.delete(running.taskId)).toEqual({ kind: "ok", value: { status: "deleted" } });
    expect(await wavespeed.result(running.taskId)).toMatchObject({
      prediction: { status: "deleted", outputs: [] },
    });
    expect((await journal()).predictions[0]).toMatchObject({ status: "deleted", callbacks: { sent: 0 } });
    const other = await startProvider();
    const done = await other.make();
    expect(await other.wavespeed.delete(done.id)).toMatchObject({ kind: "ok" });
    expect(await other.wavespeed.result(done.id)).toEqual({ kind: "not_found" });
    expect(await wavespeed.delete(taskId)).toEqual({ kind: "not_found" });
  });

  test("the balance is debited at the start and refunded after a failure", async () => {
    const { wavespeed, make, control } = await startProvider();
    const balance = async () => {
      const answer = await wavespeed.balance();
      return answer.kind === "ok" ? answer.value.balanceUsd : Number.NaN;
    };
    const before = await balance();
    await make();
    expect(before - await balance()).toBeCloseTo(0.012);
    await control({ failTasks: 1 });
    await make();
    expect(before - await balance()).toBeCloseTo(0.012);
  });

  test("the catalogue has an input schema for each model", async () => {
    const { wavespeed } = await startProvider();
    const models = await wavespeed.models();
    if (models.kind !== "ok") throw new Error(models.kind);
    expect(models.value.length).toBeGreaterThanOrEqual(8);
    const flux = models.value.find(({ modelId }) => modelId === "wavespeed-ai/flux-dev");
    expect(flux).toMatchObject({ basePriceUsd: 0.012, requestSchema: { required: ["prompt"] } });
  });

  test("an upload can be fetched again, and the webhook secret is told to the key's owner", async () => {
    const { fake, wavespeed } = await startProvider();
    const bytes = new Uint8Array([1, 2, 3, 255]);
    const upload = await wavespeed.upload(new Blob([bytes], { type: "image/png" }), "a b.png");
    if (upload.kind !== "ok") throw new Error(upload.kind);
    const stored = await fetch(upload.value.url);
    expect(new Uint8Array(await stored.arrayBuffer())).toEqual(bytes);
    expect(stored.headers.get("content-type")).toBe("image/png");
    expect(await wavespeed.webhookSecret()).toEqual({ kind: "ok", value: { secret: fake.webhookSecret } });
  });
});

describe("answers that the provider does not document", () => {
  test.each(["text", { secret: "text" }, { webhook_secret: "text" }])(
    "the secret may come as %j",
    async (data) => {
      const { wavespeed } = await answering(200, frame(data));
      expect(await wavespeed.webhookSecret()).toEqual({ kind: "ok", value: { secret: "text" } });
    },
  );

  test("the secret may come without a frame", async () => {
    const { wavespeed } = await answering(200, JSON.stringify({ secret: "text" }));
    expect(await wavespeed.webhookSecret()).toEqual({ kind: "ok", value: { secret: "text" } });
  });

  test("an unreadable entry of a list is counted, since such a page proves no absence", async () => {
    const { wavespeed } = await answering(
      200,
      frame({ page: 1, items: [{ id: taskId, status: "created" }, { id: 7 }] }),
    );
    const query = { createdAfter: new Date(0), createdBefore: new Date(1), page: 1, pageSize: 100 };
    const answer = await wavespeed.list(query);
    expect(answer).toMatchObject({
      kind: "ok",
      value: { unreadable: 1, total: null, items: [{ id: taskId }] },
    });
  });

  test("a catalogue larger than a common answer is still read", async () => {
    const models = Array.from({ length: 950 }, (_, index) => ({
      model_id: `a/${index}`,
      base_price: 0.01,
      description: "x".repeat(3000),
    }));
    const { wavespeed } = await answering(200, frame(models));
    const answer = await wavespeed.models();
    expect(answer.kind === "ok" && answer.value.length).toBe(950);
  });
});
