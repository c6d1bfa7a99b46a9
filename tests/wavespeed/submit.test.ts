import { describe, expect, onTestFinished, test } from "vitest";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";
import { deafUrl, reply, startRawServer } from "./raw-server.ts";
import { accepted, apiKey, frame, request, submitTo, taskId } from "./submitting.ts";

describe("submit sends", () => {
  test("one POST with literal slashes, the key, the input as JSON and the callback in the query", async () => {
    const { submission, requests } = await submitTo((socket) => socket.end(reply(200, accepted())));
    expect(submission).toMatchObject({ kind: "accepted", taskId, status: "created" });
    expect(requests).toHaveLength(1);
    const [head = "", body = ""] = requests[0]?.split("\r\n\r\n") ?? [];
    const webhook = encodeURIComponent(request.webhookUrl ?? "");
    expect(head.split("\r\n")[0]).toBe(`POST /api/v3/wavespeed-ai/flux-dev?webhook=${webhook} HTTP/1.1`);
    expect(head).toMatch(new RegExp(`^authorization: Bearer ${apiKey}$`, "im"));
    expect(head).toMatch(/^content-type: application\/json$/im);
    expect(body).toContain(JSON.stringify(request.input));
  });
});

describe("submit is accepted", () => {
  test.each([
    ["a frame", 200, accepted()],
    ["a task that has already failed", 200, accepted({ status: "failed", code: 1405, error: "x" })],
    [
      "a synchronous wait that ran out",
      200,
      accepted({ status: "processing", code: 5004, error: "timed out" }),
    ],
    ["a status that is new to us", 200, accepted({ status: "archived" })],
    ["201", 201, accepted()],
    ["no frame", 200, JSON.stringify({ id: taskId, status: "created" })],
    ["a bad code beside a task id", 200, frame(500, "oops", { data: { id: taskId, status: "created" } })],
    ["a definite no beside a task id", 200, frame(400, "oops", { data: { id: taskId, status: "created" } })],
    ["a task id in a 5xx", 502, accepted()],
  ])("with %s", async (_, status, body) => {
    const { submission, requests } = await submitTo((socket) => socket.end(reply(status, body)));
    expect(submission).toMatchObject({ kind: "accepted", taskId });
    expect(requests).toHaveLength(1);
  });
});

describe("submit is rejected", () => {
  test.each([
    [429, frame(429, "You have reached your concurrency limit"), "rate_limited"],
    [429, "<html>slow down</html>", "rate_limited"],
    [429, "", "rate_limited"],
    [400, frame(400, "prompt is required", { error_code: 1400 }), "bad_input"],
    [400, frame(400, "invalid", { error_code: 1401 }), "bad_input"],
    [400, frame(400, "could not download image"), "input_unreachable"],
    [400, frame(400, "bad", { error_code: 1402 }), "input_unreachable"],
    [400, frame(400, "bad", { error_code: 1200 }), "moderation"],
    [400, frame(400, "blocked by content policy"), "moderation"],
    [400, frame(400, "Insufficient credits"), "no_credits"],
    [400, frame(400, "x", { error_code: "1407" }), "no_credits"],
    [400, JSON.stringify({ error: "webhook callback does not support base64 output" }), "bad_input"],
    [400, JSON.stringify({ error: "Insufficient credits" }), "no_credits"],
    [400, JSON.stringify({ error: { message: "blocked by content policy" } }), "moderation"],
    [400, JSON.stringify({ detail: [{ msg: "field required" }] }), "bad_input"],
    [400, JSON.stringify({ detail: [{ msg: "no more credits" }] }), "no_credits"],
    [400, JSON.stringify({ errors: ["balance too low"] }), "no_credits"],
    [400, "", "bad_input"],
    [400, "<html>bad request: top up</html>", "bad_input"],
    [401, "<html>unauthorized</html>", "unauthorized"],
    [401, frame(401, "Invalid API key"), "unauthorized"],
    [402, "", "no_credits"],
    [403, frame(403, "account suspended"), "suspended"],
    [403, frame(403, "not enough balance, please top up"), "no_credits"],
    [403, frame(403, "key lacks the role inference"), "unauthorized"],
    [403, "<html>Attention required</html>", "refused"],
    [404, "404 page not found", "model_not_found"],
    [404, frame(404, "Model not found"), "model_not_found"],
    [405, "", "refused"],
    [413, "", "bad_input"],
    [413, "<html>too large</html>", "bad_input"],
    [422, frame(422, "bad"), "bad_input"],
    [422, frame(422, "unable to download image"), "input_unreachable"],
    [451, "", "refused"],
    [200, frame(400, "invalid size"), "bad_input"],
    [200, frame(401, "no"), "unauthorized"],
    [200, frame(1200, "moderated"), "moderation"],
    [200, frame(1405, "task failed"), "task_failed"],
    [200, frame(1407, "x"), "no_credits"],
    [200, frame(429, "slow down"), "rate_limited"],
  ])("HTTP %i %s is %s", async (status, body, expected) => {
    const { submission, requests } = await submitTo((socket) => socket.end(reply(status, body)));
    expect(submission).toMatchObject({ kind: "rejected", class: expected, httpStatus: status });
    expect(requests).toHaveLength(1);
  });

  test("a prompt that speaks of credits cannot pass for an empty account", async () => {
    const words = "insufficient credits, please top up";
    const { submission } = await submitTo(
      (socket) => socket.end(reply(400, frame(400, `bad prompt: ${words}`))),
      {
        input: { prompt: words },
      },
    );
    expect(submission).toMatchObject({ kind: "rejected", class: "bad_input" });
  });

  test("a definite status holds although the body was cut short", async () => {
    const { submission } = await submitTo((socket) =>
      socket.end(reply(400, '{"code":4', { "Content-Length": "900" }))
    );
    expect(submission).toMatchObject({ kind: "rejected", class: "bad_input", httpStatus: 400 });
  });

  test.each([
    ["7", 7],
    ["0", 0],
    ["999999", 3600],
    ["Wed, 21 Oct 2026 07:28:30 GMT", 30],
    ["Wed, 21 Oct 2026 07:00:00 GMT", 0],
    ["-5", undefined],
    ["1.5", undefined],
    ["soon", undefined],
  ])("Retry-After: %s means %s seconds", async (header, seconds) => {
    const server = await startRawServer((socket) =>
      socket.end(reply(429, frame(429, "x"), { "Retry-After": header }))
    );
    onTestFinished(() => server.close());
    const now = () => Date.parse("2026-10-21T07:28:00Z");
    const submission = await createWavespeed({ baseUrl: server.url, apiKey, now }).submit(request);
    if (submission.kind !== "rejected") throw new Error(submission.kind);
    expect(submission.retryAfterSeconds).toBe(seconds);
  });

  test("as not sent when nobody listens", async () => {
    const submission = await createWavespeed({ baseUrl: await deafUrl(), apiKey }).submit(request);
    expect(submission).toEqual({ kind: "rejected", class: "not_sent", httpStatus: null, detail: "not_sent" });
  });

  test("as not sent when it was aborted before it began", async () => {
    const { submission, requests } = await submitTo((socket) => socket.end(reply(200, accepted())), {
      signal: AbortSignal.abort(),
    });
    expect(submission).toMatchObject({ kind: "rejected", class: "not_sent" });
    expect(requests).toHaveLength(0);
  });

  test.each(["predictions", "predictions/../balance", "a/b?x=1", "//evil.example/a", "a/%2e%2e/b", ""])(
    "without sending when the model id is %j",
    async (modelId) => {
      const { submission, requests } = await submitTo((socket) => socket.end(reply(200, accepted())), {
        modelId,
      });
      expect(submission).toMatchObject({ kind: "rejected", class: "bad_input", httpStatus: null });
      expect(requests).toHaveLength(0);
    },
  );

  test("without sending when the input is no JSON", async () => {
    const { submission, requests } = await submitTo((socket) => socket.end(reply(200, accepted())), {
      input: { seed: 1n },
    });
    expect(submission).toMatchObject({ kind: "rejected", class: "bad_input", detail: "bad_input input" });
    expect(requests).toHaveLength(0);
  });
});

describe("createWavespeed", () => {
  test.each(["http://api.wavespeed.ai", "http://wavespeed.ai", "ftp://127.0.0.1", "127.0.0.1:80", ""])(
    "refuses the base URL %j",
    (baseUrl) => expect(() => createWavespeed({ baseUrl, apiKey })).toThrow(RangeError),
  );
  test("refuses an empty key", () => {
    expect(() => createWavespeed({ baseUrl: "https://api.wavespeed.ai", apiKey: " " })).toThrow(
      /key is empty/,
    );
  });
});
