import { afterEach, describe, expect, test } from "vitest";
import { createWavespeed, type Submission, type SubmitRequest } from "../../shared/wavespeed/mod.ts";
import { deafUrl, type RawServer, reply, startRawServer } from "./raw-server.ts";

const apiKey = "sk_test_0123456789abcdef";
const prompt = "a very private red fox";
const request: SubmitRequest = {
  modelId: "wavespeed-ai/flux-dev",
  input: { prompt, size: "1024*1024" },
  webhookUrl: "https://app.example/hook?attempt=1&token=callback-token",
  deadlineMs: 5000,
};
const taskId = "45b392b22c3b449fa935bd4dc2219dfe";
const frame = (code: number, message: string, more: object = {}) =>
  JSON.stringify({ code, message, data: null, ...more });
const accepted = (data: object = {}) =>
  JSON.stringify({
    code: 200,
    message: "success",
    data: { id: taskId, status: "created", outputs: [], ...data },
  });

let server: RawServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function submitTo(
  answer: Parameters<typeof startRawServer>[0],
  changes: Partial<SubmitRequest> = {},
): Promise<Submission> {
  server = await startRawServer(answer);
  return await createWavespeed({ baseUrl: server.url, apiKey }).submit({ ...request, ...changes });
}

/** No answer may carry on what only we and the user know. */
function expectDiscreet(submission: Submission): void {
  expect(JSON.stringify(submission)).not.toMatch(/sk_test|0123456789abcdef|private red|callback-token/);
}

describe("submit sends", () => {
  test("one POST with literal slashes, the key, the input as JSON and the callback in the query", async () => {
    const submission = await submitTo((socket) => socket.end(reply(200, accepted())));
    expect(submission).toMatchObject({ kind: "accepted", taskId, status: "created" });
    expect(server?.requests).toHaveLength(1);
    const [head = "", body = ""] = server?.requests[0]?.split("\r\n\r\n") ?? [];
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
    expect(await submitTo((socket) => socket.end(reply(status, body)))).toMatchObject({
      kind: "accepted",
      taskId,
    });
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
    [400, JSON.stringify({ detail: [{ msg: "field required" }] }), "bad_input"],
    [400, JSON.stringify({ detail: [{ msg: "no more credits" }] }), "no_credits"],
    [400, JSON.stringify({ errors: ["balance too low"] }), "no_credits"],
    [400, "", "bad_input"],
    [401, frame(401, "Invalid API key"), "unauthorized"],
    [402, "", "no_credits"],
    [403, frame(403, "account suspended"), "suspended"],
    [403, frame(403, "not enough balance, please top up"), "no_credits"],
    [403, frame(403, "key lacks the role inference"), "unauthorized"],
    [403, "<html>Attention required</html>", "refused"],
    [404, "404 page not found", "model_not_found"],
    [405, "", "refused"],
    [413, "", "bad_input"],
    [422, frame(422, "bad"), "bad_input"],
    [200, frame(400, "invalid size"), "bad_input"],
    [200, frame(401, "no"), "unauthorized"],
    [200, frame(1200, "moderated"), "moderation"],
    [200, frame(1405, "task failed"), "task_failed"],
    [200, frame(1407, "x"), "no_credits"],
    [200, frame(429, "slow down"), "rate_limited"],
  ])("HTTP %i %s is %s", async (status, body, expected) => {
    const submission = await submitTo((socket) => socket.end(reply(status, body)));
    expect(submission).toMatchObject({ kind: "rejected", class: expected, httpStatus: status });
    expect(server?.requests).toHaveLength(1);
  });

  test("a prompt that speaks of credits cannot pass for an empty account", async () => {
    const words = "insufficient credits, please top up";
    const submission = await submitTo(
      (socket) => socket.end(reply(400, frame(400, `bad prompt: ${words}`))),
      {
        input: { prompt: words },
      },
    );
    expect(submission).toMatchObject({ kind: "rejected", class: "bad_input" });
  });

  test("a definite status holds although the body was cut short", async () => {
    const submission = await submitTo((socket) =>
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
    server = await startRawServer((socket) =>
      socket.end(reply(429, frame(429, "x"), { "Retry-After": header }))
    );
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
    const submission = await submitTo((socket) => socket.end(reply(200, accepted())), {
      signal: AbortSignal.abort(),
    });
    expect(submission).toMatchObject({ kind: "rejected", class: "not_sent" });
    expect(server?.requests).toHaveLength(0);
  });

  test.each(["predictions", "predictions/../balance", "a/b?x=1", "//evil.example/a", "a/%2e%2e/b", ""])(
    "without sending when the model id is %j",
    async (modelId) => {
      const submission = await submitTo((socket) => socket.end(reply(200, accepted())), { modelId });
      expect(submission).toMatchObject({ kind: "rejected", class: "bad_input", httpStatus: null });
      expect(server?.requests).toHaveLength(0);
    },
  );

  test("without sending when the input is no JSON", async () => {
    const submission = await submitTo((socket) => socket.end(reply(200, accepted())), {
      input: { seed: 1n },
    });
    expect(submission).toMatchObject({ kind: "rejected", class: "bad_input", detail: "bad_input input" });
    expect(server?.requests).toHaveLength(0);
  });
});

describe("submit is unknown", () => {
  test.each([
    [500, frame(500, "internal"), "server_error"],
    [502, "<html>bad gateway</html>", "server_error"],
    [503, frame(503, "no", { error_code: 1400 }), "server_error"],
    [504, "", "server_error"],
    [408, frame(408, "time-out"), "server_error"],
    [400, frame(400, "x", { error_code: 5000 }), "server_error"],
    [200, frame(500, "internal"), "server_error"],
    [200, frame(5003, "unavailable"), "server_error"],
    [200, frame(7, "what?"), "server_error"],
    [200, "<html>hello</html>", "unreadable"],
    [200, '{"code":200,"data":{"id":"45b3', "unreadable"],
    [200, frame(200, "success"), "unreadable"],
    [200, accepted({ id: "../../balance" }), "unreadable"],
    [200, JSON.stringify({ error: "hm" }), "unreadable"],
    [200, "", "unreadable"],
    [301, "", "redirect"],
  ])("after HTTP %i %s: %s", async (status, body, cause) => {
    const submission = await submitTo((socket) => socket.end(reply(status, body)));
    expect(submission).toMatchObject({ kind: "unknown", cause, httpStatus: status });
    expect(server?.requests).toHaveLength(1);
  });

  test.each([301, 302, 303, 307, 308])("after a redirect %i, which is not followed", async (status) => {
    const submission = await submitTo((socket, text) =>
      socket.end(
        text.startsWith("POST /api/v3/wavespeed-ai")
          ? reply(status, "", { Location: "/api/v3/elsewhere/model" })
          : reply(200, accepted()),
      )
    );
    expect(submission).toMatchObject({
      kind: "unknown",
      cause: "redirect",
      detail: `redirect http=${status}`,
    });
    expect(server?.requests).toHaveLength(1);
  });

  test("after a reset, before or in the middle of the answer", async () => {
    const before = await submitTo((socket) => socket.resetAndDestroy());
    expect(before).toMatchObject({ kind: "unknown", cause: "network", httpStatus: null });
    await server?.close();
    const middle = await submitTo((socket) =>
      socket.write(reply(200, '{"code":200', { "Content-Length": "900" }), () => socket.resetAndDestroy())
    );
    expect(middle.kind).toBe("unknown");
    expect(server?.requests).toHaveLength(1);
  });

  test("when a kept connection is cut under the second POST, which is not sent again", async () => {
    let answered = 0;
    server = await startRawServer((socket) => {
      if (answered++ === 0) socket.write(reply(200, accepted(), { Connection: "keep-alive" }));
      else socket.resetAndDestroy();
    });
    const wavespeed = createWavespeed({ baseUrl: server.url, apiKey });
    expect((await wavespeed.submit(request)).kind).toBe("accepted");
    expect(await wavespeed.submit(request)).toMatchObject({ kind: "unknown", cause: "network" });
    expect(server.requests).toHaveLength(2);
  });

  test("after an answer shorter than it said", async () => {
    const submission = await submitTo((socket) =>
      socket.end(reply(200, accepted(), { "Content-Length": "4000" }))
    );
    expect(submission).toMatchObject({ kind: "unknown", cause: "unreadable", httpStatus: 200 });
  });

  test("after more than 1 MiB of answer, whatever stands at its end", async () => {
    const submission = await submitTo((socket) =>
      socket.end(reply(200, " ".repeat(1024 * 1024) + accepted()))
    );
    expect(submission).toMatchObject({ kind: "unknown", cause: "unreadable", httpStatus: 200 });
  });

  test("at the deadline, whether no byte came or the answer stopped half-way", async () => {
    const silent = await submitTo(() => {}, { deadlineMs: 60 });
    expect(silent).toMatchObject({ kind: "unknown", cause: "timeout", httpStatus: null });
    await server?.close();
    const halfway = await submitTo((socket) => {
      socket.write(reply(200, '{"code":', { "Content-Length": "900" }));
    }, { deadlineMs: 60 });
    expect(halfway).toMatchObject({ kind: "unknown", cause: "timeout", httpStatus: 200 });
  });

  test("when it is aborted under way", async () => {
    const stop = new AbortController();
    const submission = await submitTo(() => stop.abort(), { signal: stop.signal });
    expect(submission).toMatchObject({ kind: "unknown", cause: "aborted" });
  });
});

describe("submit tells nobody", () => {
  const gossip = `refused ${prompt} for ${apiKey}, callback ${request.webhookUrl}`;
  test.each([
    [400, frame(400, gossip)],
    [403, gossip],
    [500, frame(500, gossip)],
    [200, frame(1405, gossip)],
    [200, gossip],
    [302, gossip],
  ])("the key, the prompt or the callback's token that HTTP %i repeats", async (status, body) => {
    const submission = await submitTo((socket) =>
      socket.end(reply(status, body, { Location: `/x?key=${apiKey}` }))
    );
    expectDiscreet(submission);
  });

  test("a key that makes the request impossible to send", async () => {
    const wavespeed = createWavespeed({ baseUrl: await deafUrl(), apiKey: `${apiKey}\nX: y` });
    const submission = await wavespeed.submit(request);
    expect(submission.kind).not.toBe("accepted");
    expectDiscreet(submission);
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
