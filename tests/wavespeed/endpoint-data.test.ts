import { describe, expect, onTestFinished, test } from "vitest";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";
import { reply, startRawServer } from "./raw-server.ts";
import { apiKey, taskId } from "./submitting.ts";

const window = { createdAfter: new Date(0), createdBefore: new Date(1), page: 1, pageSize: 100 };
const frame = (data: unknown) => JSON.stringify({ code: 200, message: "success", data });

async function answering(body: string) {
  const server = await startRawServer((socket) => socket.end(reply(200, body)));
  onTestFinished(() => server.close());
  return { server, wavespeed: createWavespeed({ baseUrl: server.url, apiKey }) };
}

describe("an answer is read only if it is what was asked for:", () => {
  test.each([
    [{ balance: 12.5 }, 12.5],
    [{ balance: "12.50" }, 12.5],
    [{ balance: 0 }, 0],
    [{ balance: -0.3, currency: "USD" }, -0.3],
    [{ balance: null }, null],
    [{ balance: "" }, null],
    [{ balance: true }, null],
    [{ balance: [] }, null],
    [{ balance: "many" }, null],
    [{}, null],
  ])("the balance %j is %s", async (data, expected) => {
    const { wavespeed } = await answering(frame(data));
    const answer = await wavespeed.balance();
    expect(answer.kind === "ok" ? answer.value : null).toEqual(
      expected === null ? null : { balanceUsd: expected },
    );
  });

  test.each([{}, { download_url: "" }, { download_url: "not a URL" }, { url: "https://a.example/x" }])(
    "an upload without a URL, %j, is unreadable",
    async (data) => {
      const { wavespeed } = await answering(frame(data));
      expect(await wavespeed.upload(new Blob(["x"]), "x")).toMatchObject({ cause: "unreadable" });
    },
  );

  test.each([{}, { secret: "" }, { secret: 7 }, ""])("the secret %j is unreadable", async (data) => {
    const { wavespeed } = await answering(frame(data));
    expect(await wavespeed.webhookSecret()).toMatchObject({ cause: "unreadable" });
  });

  test("a model without a readable price or schema has none, and one without an id is left out", async () => {
    const schema = { type: "object", properties: {} };
    const { wavespeed } = await answering(
      frame([
        { model_id: "a/1", base_price: 0.01, api_schema: { api_schemas: [{ request_schema: schema }] } },
        { model_id: "a/2", base_price: null, api_schema: { api_schemas: [] } },
        { model_id: "a/3", base_price: "0.5", api_schema: 7 },
        { name: "nameless" },
      ]),
    );
    expect(await wavespeed.models()).toEqual({
      kind: "ok",
      value: [
        { modelId: "a/1", basePriceUsd: 0.01, requestSchema: schema },
        { modelId: "a/2", basePriceUsd: null, requestSchema: null },
        { modelId: "a/3", basePriceUsd: 0.5, requestSchema: null },
      ],
    });
  });

  test("a list is asked for its model and window, in UTC", async () => {
    const { server, wavespeed } = await answering(frame({ page: 2, items: [], total: 7 }));
    const createdAfter = "2026-08-25T02:00:00+02:00";
    const answer = await wavespeed.list({ ...window, modelId: "a/1", createdAfter, page: 2, pageSize: 50 });
    expect(answer).toEqual({ kind: "ok", value: { items: [], unreadable: 0, total: 7 } });
    expect(JSON.parse(server.requests[0]?.split("\r\n\r\n")[1] ?? "")).toEqual({
      page: 2,
      page_size: 50,
      model: "a/1",
      created_after: "2026-08-25T00:00:00.000Z",
      created_before: "1970-01-01T00:00:00.001Z",
    });
  });
});

describe("answers that the provider does not document", () => {
  test.each(["text", { secret: "text" }, { webhook_secret: "text" }])(
    "the secret may come as %j",
    async (data) => {
      const { wavespeed } = await answering(frame(data));
      expect(await wavespeed.webhookSecret()).toEqual({ kind: "ok", value: { secret: "text" } });
    },
  );

  test("the secret may come without a frame", async () => {
    const { wavespeed } = await answering(JSON.stringify({ secret: "text" }));
    expect(await wavespeed.webhookSecret()).toEqual({ kind: "ok", value: { secret: "text" } });
  });

  test("an unreadable entry of a list is counted, since such a page proves no absence", async () => {
    const { wavespeed } = await answering(
      frame({ page: 1, items: [{ id: taskId, status: "created" }, { id: 7 }] }),
    );
    const answer = await wavespeed.list(window);
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
    const { wavespeed } = await answering(frame(models));
    const answer = await wavespeed.models();
    expect(answer.kind === "ok" && answer.value.length).toBe(950);
  });
});
