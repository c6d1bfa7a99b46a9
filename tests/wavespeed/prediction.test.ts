import { describe, expect, test } from "vitest";
import {
  ended,
  failureClass,
  parsePrediction,
  type Prediction,
  predictionStatuses,
} from "../../shared/wavespeed/mod.ts";

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const completed = {
  id: "45b392b22c3b449fa935bd4dc2219dfe",
  model: "wavespeed-ai/flux-dev",
  outputs: ["https://cdn.example/1.jpeg"],
  urls: { get: "https://api.wavespeed.ai/api/v3/predictions/45b392b22c3b449fa935bd4dc2219dfe/result" },
  has_nsfw_contents: [false],
  status: "completed",
  created_at: "2026-08-25T00:49:21.481196722Z",
  error: "",
  executionTime: 6710,
  timings: { inference: 6711 },
};

function read(changes: Record<string, unknown>): Prediction {
  const parsed = parsePrediction(encode({ ...completed, ...changes }));
  if (parsed.kind !== "prediction") throw new Error(`not read: ${parsed.reason}`);
  return parsed.prediction;
}

describe("parsePrediction", () => {
  test("reads a completed prediction", () => {
    expect(read({})).toEqual({
      id: completed.id,
      model: completed.model,
      status: "completed",
      rawStatus: "completed",
      outputs: completed.outputs,
      otherOutputs: [],
      flagged: [false],
      error: null,
      errorCode: null,
      createdAt: "2026-08-25T00:49:21.481Z",
      inferenceMs: 6711,
    });
  });

  test("needs an id and a status and nothing else", () => {
    const parsed = parsePrediction(encode({ id: "a1", status: "created" }));
    expect(parsed).toMatchObject({
      kind: "prediction",
      prediction: { id: "a1", model: "", outputs: [], flagged: [] },
    });
  });

  test("takes fields of a wrong type as absent", () => {
    const wrong = {
      model: 7,
      outputs: "x",
      has_nsfw_contents: true,
      created_at: "soon",
      timings: 3,
      executionTime: "long",
      code: "x",
      input: 5,
    };
    expect(read(wrong)).toMatchObject({
      model: "",
      outputs: [],
      flagged: [],
      createdAt: null,
      inferenceMs: null,
      errorCode: null,
    });
  });

  test("keeps outputs that are no URL apart, and each flag with its own output", () => {
    const outputs = [
      "bare text",
      { url: "https://cdn.example/a.png?x=1" },
      "ftp://x/y",
      "http://127.0.0.1/b.png",
      { url: 1 },
    ];
    const prediction = read({ outputs, has_nsfw_contents: [true, false, true, true] });
    expect(prediction.outputs).toEqual(["https://cdn.example/a.png?x=1", "http://127.0.0.1/b.png"]);
    expect(prediction.otherOutputs).toEqual(["bare text", "ftp://x/y", { url: 1 }]);
    expect(prediction.flagged).toEqual([false, true]);
  });

  test.each([
    ["2026-08-25T00:49:21.481196722Z", "2026-08-25T00:49:21.481Z"],
    ["2026-08-25T00:49:21Z", "2026-08-25T00:49:21.000Z"],
    ["2026-08-25T00:49:21.5+02:00", "2026-08-24T22:49:21.500Z"],
    ["2026-08-25T00:49:21", null],
    ["2026-08-25 00:49:21Z", null],
    ["2026-13-25T00:49:21Z", null],
    ["+275760-09-13T00:00:00Z", null],
    ["soon 7", null],
    ["1", null],
    [1756082961, null],
  ])("reads the time %s as %s", (time, expected) => {
    expect(read({ created_at: time }).createdAt).toBe(expected);
  });

  test.each([
    ["created", "created", false],
    ["processing", "processing", false],
    ["pending", "created", false],
    ["COMPLETED", "completed", true],
    ["failed", "failed", true],
    ["cancelled", "cancelled", true],
    ["canceled", "cancelled", true],
    ["timeout", "timeout", true],
    ["deleted", "deleted", true],
    ["archived", "unknown_status", false],
    ["unknown_status", "unknown_status", false],
  ])("reads the status %s as %s, ended: %s", (word, status, isEnd) => {
    const prediction = read({ status: word });
    expect([prediction.status, prediction.rawStatus, ended(prediction)]).toEqual([status, word, isEnd]);
  });

  test("cuts what the provider says about a failure", () => {
    const prediction = read({ status: "failed", code: "1200", error: "x".repeat(1000) });
    expect(prediction).toMatchObject({ errorCode: 1200, error: "x".repeat(200) });
    expect(read({ error: { message: "odd" } }).error).toBe('{"message":"odd"}');
  });

  test("reads a failure whose error is nested deeper than it could be written", () => {
    const error = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    const body = new TextEncoder().encode(`{"id":"${completed.id}","status":"failed","error":${error}}`);
    expect(parsePrediction(body)).toMatchObject({
      kind: "prediction",
      prediction: { status: "failed", error: null },
    });
  });

  test.each([
    ["not JSON", new TextEncoder().encode('{"id":"a1","sta'), "not_json"],
    ["not UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), "not_utf8"],
    ["more than 1 MiB", encode({ ...completed, padding: "x".repeat(1024 * 1024) }), "too_large"],
    ["an array", encode([completed]), "not_a_prediction"],
    ["without an id", encode({ status: "completed" }), "not_a_prediction"],
    ["with a path as id", encode({ ...completed, id: "../balance" }), "not_a_prediction"],
    ["without a status", encode({ id: "a1" }), "not_a_prediction"],
    ["empty", new Uint8Array(), "not_json"],
  ])("refuses a body that is %s", (_, bytes, reason) => {
    expect(parsePrediction(bytes)).toEqual({ kind: "malformed", reason });
  });
});

describe("failureClass", () => {
  test.each([
    [{ status: "completed" }, null],
    [{ status: "completed", outputs: [] }, "no_outputs"],
    [{ status: "completed", outputs: ["text"] }, "no_outputs"],
    [{ status: "processing", code: 5004 }, null],
    [{ status: "timeout" }, "timeout"],
    [{ status: "cancelled" }, "cancelled"],
    [{ status: "deleted" }, "deleted"],
    [{ status: "failed", code: 1200 }, "moderation"],
    [{ status: "failed", code: 1400 }, "bad_input"],
    [{ status: "failed", code: 1401 }, "bad_input"],
    [{ status: "failed", code: 1402 }, "input_unreachable"],
    [{ status: "failed", code: 1403 }, "task_failed"],
    [{ status: "failed", code: 1405 }, "task_failed"],
    [{ status: "failed", code: 1406 }, "provider_error"],
    [{ status: "failed", code: 1407 }, "no_credits"],
    [{ status: "failed", code: 5000 }, "provider_error"],
    [{ status: "failed", code: 5999 }, "provider_error"],
    [{ status: "failed", code: 9 }, "task_failed"],
    [{ status: "failed", error: "blocked by content moderation" }, "moderation"],
    [{ status: "failed", error: "insufficient credits" }, "task_failed"],
    [{ status: "failed" }, "task_failed"],
  ])("of %o is %s", (changes, expected) => {
    expect(failureClass(read(changes))).toBe(expected);
  });

  test("knows every status", () => {
    for (const status of predictionStatuses) {
      expect(failureClass({ ...read({}), status })).not.toBeUndefined();
    }
  });
});
