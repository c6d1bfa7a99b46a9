import { describe, expect, onTestFinished, test } from "vitest";
import { createWavespeed, type Wavespeed } from "../../shared/wavespeed/mod.ts";
import { deafUrl, reply, startRawServer } from "./raw-server.ts";

const apiKey = "sk_test_0123456789abcdef";
const taskId = "45b392b22c3b449fa935bd4dc2219dfe";
const frame = (data: unknown, code = 200) => JSON.stringify({ code, message: "m", data });

async function answering(status: number, body: string, headers: Record<string, string> = {}) {
  const server = await startRawServer((socket) => socket.end(reply(status, body, headers)));
  onTestFinished(() => server.close());
  return { server, wavespeed: createWavespeed({ baseUrl: server.url, apiKey }) };
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

const window = { createdAfter: new Date(0), createdBefore: new Date(1), page: 1, pageSize: 100 };
type Call = (
  wavespeed: Wavespeed,
  options?: { deadlineMs?: number; signal?: AbortSignal },
) => Promise<unknown>;
const calls: { line: string; call: Call }[] = [
  { line: `GET /api/v3/predictions/${taskId}/result`, call: (to, options) => to.result(taskId, options) },
  { line: "POST /api/v3/predictions", call: (to, options) => to.list(window, options) },
  { line: `DELETE /api/v3/predictions/${taskId}`, call: (to, options) => to.delete(taskId, options) },
  { line: "GET /api/v3/models", call: (to, options) => to.models(options) },
  { line: "GET /api/v3/balance", call: (to, options) => to.balance(options) },
  {
    line: "POST /api/v3/media/upload/binary",
    call: (to, options) => to.upload(new Blob(["x"]), "x.png", options),
  },
  { line: "GET /api/v3/webhook/secret", call: (to, options) => to.webhookSecret(options) },
];

describe.each(calls)("$line", ({ line, call }) => {
  test("is asked once, with the key, and says why there is no answer", async () => {
    const { server, wavespeed } = await answering(429, "", { "Retry-After": "9" });
    expect(await call(wavespeed)).toEqual({ kind: "rate_limited", retryAfterSeconds: 9 });
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toMatch(new RegExp(`^${line} HTTP/1.1\r\n`));
    expect(server.requests[0]).toMatch(new RegExp(`^authorization: Bearer ${apiKey}\r$`, "im"));
  });

  test.each([
    [404, "", { kind: "not_found" }],
    [503, "<html>", { kind: "unavailable", cause: "server_error", httpStatus: 503 }],
    [401, frame(null, 401), { kind: "unavailable", cause: "unauthorized" }],
    [200, frame(null), { kind: "unavailable", cause: "unreadable" }],
    [200, frame(7), { kind: "unavailable", cause: "unreadable" }],
    [200, '{"code":200,"data":{"bal', { kind: "unavailable", cause: "unreadable" }],
  ])("on HTTP %i %s is %o", async (status, body, expected) => {
    const { server, wavespeed } = await answering(status, body);
    expect(await call(wavespeed)).toMatchObject(expected);
    expect(server.requests).toHaveLength(1);
  });

  test("gives up an answer that is too large, whatever stands at its end", async () => {
    const { wavespeed } = await answering(200, " ".repeat(33 * 1024 * 1024) + frame([]));
    expect(await call(wavespeed)).toMatchObject({
      kind: "unavailable",
      cause: "unreadable",
      httpStatus: 200,
    });
  });

  test("follows no redirect, so that no other host hears the key", async () => {
    const elsewhere = await startRawServer((socket) => socket.end(reply(200, frame({}))));
    onTestFinished(() => elsewhere.close());
    const { wavespeed } = await answering(307, apiKey, {
      Location: `${elsewhere.url}/followed?key=${apiKey}`,
    });
    const answer = await call(wavespeed);
    expect(answer).toEqual({
      kind: "unavailable",
      cause: "refused",
      httpStatus: 307,
      detail: "refused http=307",
    });
    // Others may have had this port before, and call it still.
    expect(elsewhere.requests.filter((request) => request.includes("/followed"))).toEqual([]);
  });

  test("ends at its deadline", async () => {
    const server = await startRawServer(() => {});
    onTestFinished(() => server.close());
    const wavespeed = createWavespeed({ baseUrl: server.url, apiKey });
    expect(await call(wavespeed, { deadlineMs: 40 })).toMatchObject({ cause: "timeout", httpStatus: null });
  });

  test("ends when it is aborted", async () => {
    const stop = new AbortController();
    const server = await startRawServer(() => stop.abort());
    onTestFinished(() => server.close());
    const wavespeed = createWavespeed({ baseUrl: server.url, apiKey });
    expect(await call(wavespeed, { signal: stop.signal })).toMatchObject({ cause: "aborted" });
  });
});
