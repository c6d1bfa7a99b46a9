import { describe, expect, test } from "vitest";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";
import { fakeModels } from "../../supabase/local/fake-wavespeed/catalogue.ts";
import { ask, startProvider } from "./fake-provider.ts";

describe("the stand-in", () => {
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
    const createdAtMs = [prediction, submission.prediction].map(({ createdAt }) =>
      Date.parse(createdAt ?? "")
    );
    expect((createdAtMs[0] ?? 0) - (createdAtMs[1] ?? 0)).toBe(2);
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

  test.each([
    "GET balance",
    "GET models",
    "GET webhook/secret",
    "GET predictions/x/result",
    "DELETE predictions/x",
    "POST predictions",
    "POST predictions/delete",
    "POST media/upload/binary",
    "POST media/uploads",
    "POST upload",
    "GET predictions",
    "GET account/balance",
    "GET account/usage",
    "POST user/usage_stats",
    "POST billings/search",
    "POST model/price",
    "POST model/pricing",
    "POST wavespeed-ai/flux-dev",
    "GET nothing",
  ])("%s is answered with 401 without the key, however it is sent", async (line) => {
    const provider = await startProvider();
    const { apiKey } = provider.fake;
    const others: Record<string, string>[] = [
      {},
      { authorization: "Bearer wrong" },
      { authorization: apiKey },
      { "x-api-key": apiKey },
    ];
    for (const headers of others) {
      const body = line.startsWith("POST") ? { prompt: "a fox" } : undefined;
      expect(await ask(provider, line, body, headers)).toEqual({
        status: 401,
        body: { code: 401, message: "Invalid API key", data: null },
      });
    }
    expect((await provider.journal()).predictions).toEqual([]);
  });

  test.each(fakeModels.map(({ id, schema }) => [id, schema] as const))(
    "%s echoes its defaults, drops unknown keys and needs what its schema requires",
    async (modelId, schema) => {
      const provider = await startProvider({ latencyMs: 60_000 });
      const images = schema.required.includes("images") ? { images: ["https://a.example/1"] } : {};
      const given = { prompt: "a fox", ...images };
      const defaults = Object.entries(schema.properties).flatMap(([name, property]) =>
        property.default === undefined ? [] : [[name, property.default]]
      );
      const { body } = await ask(provider, `POST ${modelId}`, { ...given, unknown_key: 1, num_frames: 2 });
      expect(body.data.input).toEqual({ ...Object.fromEntries(defaults), ...given });
      for (const name of schema.required) {
        const lacking = { ...given, [name]: undefined };
        const answer = await ask(provider, `POST ${modelId}`, lacking);
        expect(answer).toMatchObject({ status: 400, body: { code: 400, message: `${name} is required` } });
      }
    },
  );

  test.each(["", "[]", "null", '"text"', "{"])("a submit with the body %j is bad input", async (body) => {
    const { fake } = await startProvider();
    const headers = { authorization: `Bearer ${fake.apiKey}` };
    const response = await fetch(`${fake.url}/api/v3/wavespeed-ai/flux-dev`, {
      method: "POST",
      headers,
      body,
    });
    expect([response.status, (await response.json()).code]).toEqual([400, 400]);
  });

  test("a result is told under both of the addresses that are documented", async () => {
    const provider = await startProvider();
    const { id } = await provider.make();
    const [short, long] = [`GET predictions/${id}`, `GET predictions/${id}/result`];
    const answer = await ask(provider, long);
    expect(answer).toMatchObject({ status: 200, body: { code: 200, data: { id, status: "completed" } } });
    expect(await ask(provider, short)).toEqual(answer);
    expect(answer.body.data.urls.get).toBe(`${provider.fake.url}/api/v3/predictions/${id}/result`);
  });

  test("a task goes from created through processing to its end", async () => {
    const { wavespeed, submit, control, ended } = await startProvider({ latencyMs: 60_000 });
    const submission = await submit();
    if (submission.kind !== "accepted") throw new Error(submission.kind);
    expect(submission.status).toBe("created");
    const running = await wavespeed.result(submission.taskId);
    expect(running).toMatchObject({ prediction: { status: "processing", outputs: [], inferenceMs: null } });
    await control({ latencyMs: 0 });
    expect(await ended(submission)).toMatchObject({ status: "completed", inferenceMs: expect.any(Number) });
  });

  test("the balance is debited at the start and refunded after a failure", async () => {
    const { wavespeed, make, submit, ended, control } = await startProvider();
    const balance = async () => {
      const answer = await wavespeed.balance();
      return answer.kind === "ok" ? answer.value.balanceUsd : Number.NaN;
    };
    const before = await balance();
    await make();
    expect(before - await balance()).toBeCloseTo(0.012, 6);
    await control({ failTasks: 1, latencyMs: 60_000 });
    const failing = await submit();
    expect(before - await balance()).toBeCloseTo(0.024, 6);
    await control({ latencyMs: 0 });
    expect(await ended(failing)).toMatchObject({ status: "failed" });
    expect(before - await balance()).toBeCloseTo(0.012, 6);
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

  test("an upload in two steps takes the file once, by PUT and without the key", async () => {
    const provider = await startProvider();
    const asked = { filename: "a.webp", size: 3, content_type: "image/webp" };
    const { body } = await ask(provider, "POST media/uploads", asked);
    const { download_url: url, upload } = body.data;
    expect((await fetch(url)).status).toBe(404);
    const put = () => fetch(upload.url, { method: upload.method, headers: upload.headers, body: "abc" });
    expect((await put()).status).toBe(200);
    const stored = await fetch(url);
    expect([await stored.text(), stored.headers.get("content-type")]).toEqual(["abc", "image/webp"]);
    expect((await put()).status).toBe(404);
    expect(await (await fetch(url)).text()).toBe("abc");
    expect(await ask(provider, "POST media/uploads", {})).toMatchObject({ status: 400 });
    expect(await ask(provider, "POST media/upload/binary", {})).toMatchObject({ status: 400 });
  });
});
