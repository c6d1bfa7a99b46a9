import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ask, startProvider, taskOf } from "./fake-provider.ts";

const flux = "wavespeed-ai/flux-dev";
const at = "2026-11-23T12:00:20.000Z";

async function startCharged() {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse(at) });
  onTestFinished(() => void vi.useRealTimers());
  const provider = await startProvider({ latencyMs: 60_000 });
  const bills = async (query: object = {}) => (await ask(provider, "POST billings/search", query)).body.data;
  return { ...provider, provider, bills };
}

describe("bills", () => {
  test("are reserved when a task is made, done when it ends, and given back when it fails", async () => {
    const { submit, ended, bills, control, journal } = await startCharged();
    const submission = await submit({ num_images: 3 });
    const id = taskOf(submission);
    expect(await bills({ prediction_uuids: [id] })).toMatchObject({
      page: 1,
      total: 1,
      items: [{
        billing_type: "deduct",
        price: 0.036,
        created_at: at,
        order: { state: "pre", price: 0.036, origin_price: 0.036 },
        prediction: { uuid: id, model_uuid: flux, status: "processing" },
      }],
    });
    await control({ latencyMs: 0, failTasks: 1 });
    await ended(submission);
    expect((await bills({ prediction_uuids: [id] })).items).toMatchObject([
      { billing_type: "refund", price: 0.036, order: { state: "done" } },
      { billing_type: "deduct", price: 0.036, order: { state: "done" }, prediction: { status: "failed" } },
    ]);
    expect((await bills({ billing_type: "refund" })).total).toBe(1);
    expect(await journal()).toMatchObject({ balanceUsd: 1000 });
  });

  test("are found by task and by time in milliseconds, the newest first unless asked for", async () => {
    const { submit, advance, bills } = await startCharged();
    const first = taskOf(await submit());
    await advance(10);
    const second = taskOf(await submit());
    const found = async (query: object) =>
      (await bills(query)).items.map((item: { prediction: { uuid: string } }) => item.prediction.uuid);
    const ms = Date.parse(at);
    expect(await found({})).toEqual([second, first]);
    expect(await found({ sort: "created_at asc" })).toEqual([first, second]);
    expect(await found({ prediction_uuids: [first] })).toEqual([first]);
    expect(await found({ start_time: String(ms + 1), end_time: String(ms + 10_000) })).toEqual([second]);
    expect(await found({ start_time: String(ms), end_time: String(ms + 9999) })).toEqual([first]);
    expect(await found({ prediction_uuids: ["unknown"] })).toEqual([]);
  });

  test("are not searched for with times that are no numbers", async () => {
    const { provider } = await startCharged();
    expect((await ask(provider, "POST billings/search", { start_time: at })).status).toBe(400);
  });
});

describe("usage", () => {
  test("is told by model and by day, and failed tasks cost nothing", async () => {
    const { provider, make, control } = await startCharged();
    await control({ latencyMs: 0, failTasks: 1, emptyOutputs: true });
    await make();
    await make();
    await make({}, { modelId: "google/nano-banana/text-to-image" });
    const window = { start_time: "2026-11-23T00:00:00Z", end_time: "2026-11-24T00:00:00Z" };
    const { body } = await ask(provider, "POST user/usage_stats", window);
    expect(body.data).toMatchObject({
      per_model_usage: [
        // Waiting moves the fake date by a few milliseconds.
        {
          last_used_date: expect.stringMatching(/^2026-11-23T12:00:2/),
          model_uuid: flux,
          unit_price: 0.012,
          total_cost: 0.012,
          total_count: 2,
        },
        { model_uuid: "google/nano-banana/text-to-image", total_cost: 0.038, total_count: 1 },
      ],
      daily_usage: [{ date: "2026-11-23", amount: 0.05, count: 3 }],
      summary: { total_cost: 0.05, total_requests: 3, success_requests: 2 },
    });
    const one = await ask(provider, "POST user/usage_stats", { ...window, model_uuid: flux });
    expect(one.body.data.summary).toMatchObject({ total_requests: 2 });
    const before = { ...window, end_time: "2026-11-23T12:00:00Z" };
    const none = await ask(provider, "POST user/usage_stats", before);
    expect(none.body.data.summary).toMatchObject({ total_cost: 0, total_requests: 0 });
    expect((await ask(provider, "POST user/usage_stats", {})).status).toBe(400);
  });

  test("and balance have older forms", async () => {
    const { provider, make, control } = await startCharged();
    await control({ oldRoutes: "served", latencyMs: 0, emptyOutputs: true });
    const { id } = await make();
    expect((await ask(provider, "GET account/balance")).body.data).toEqual({
      balance: 999.988,
      currency: "USD",
    });
    expect((await ask(provider, "GET account/usage")).body.data.summary).toMatchObject({ total_cost: 0.012 });
    const listed = await ask(provider, "GET predictions?page=1&page_size=5&status=completed");
    expect(listed.body.data.items).toMatchObject([{ id }]);
    expect((await ask(provider, "GET predictions?page_size=101")).status).toBe(400);
  });
});

describe("the catalogue", () => {
  test("has each model's price, how to run it, and a schema that refuses what it does not name", async () => {
    const provider = await startProvider();
    const { body } = await ask(provider, "GET models");
    const model = body.data.find((one: { model_id: string }) => one.model_id === flux);
    expect(model).toMatchObject({ type: "text-to-image", base_price: 0.012, formula: "0.012 * num_images" });
    const [run] = model.api_schema.api_schemas;
    const { request_schema: schema, ...how } = run;
    expect(how).toEqual({
      type: "model_run",
      method: "POST",
      server: provider.fake.url,
      api_path: `/api/v3/${flux}`,
    });
    expect(schema).toMatchObject({
      type: "object",
      additionalProperties: false,
      required: ["prompt"],
      properties: {
        strength: { type: "number", default: 0.8, minimum: 0, maximum: 1 },
        enable_sync_mode: { type: "boolean", default: false, disabled: true },
      },
    });
    expect(schema["x-order-properties"]).toEqual(Object.keys(schema.properties));
    await provider.control({ commonFlags: false });
    const [first] = (await ask(provider, "GET models")).body.data;
    expect(JSON.stringify(first)).not.toContain("enable_sync_mode");
  });

  test.each(["POST model/price", "POST model/pricing"])("%s needs a model that there is", async (line) => {
    const provider = await startProvider();
    expect((await ask(provider, line, {})).status).toBe(400);
    expect((await ask(provider, line, { model_id: "a/b" })).status).toBe(404);
  });
});
