// A request's line and its steps' lines: one each, whatever happens, and only what the table of fields allows.

import { expect, test } from "vitest";
import { createLog, errorFields, KernelError, type Told, withheldMark } from "../../shared/backend/mod.ts";
import { attemptId, jobId, requestTraceId, startMs, traceId, userId } from "./fake-backend.ts";

const prompt = "a lighthouse at dusk";
const quoting = new Error(`could not do "${prompt}"`);

function testLog({ write, ...more }: { write?: (line: string) => void; traceId?: string } = {}) {
  const lines: string[] = [];
  let nowMs = startMs;
  const log = createLog({
    write: write ?? ((line) => lines.push(line)),
    now: () => nowMs,
    function: "start-generation",
    traceId: requestTraceId,
    ...more,
  });
  const advance = (ms: number) => {
    nowMs += ms;
  };
  return {
    log,
    lines,
    advance,
    told: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

test("a request is one line with all that was told of it, written when it ends", () => {
  const { log, lines, advance } = testLog();
  log.line.add({ user_id: userId, body_bytes: 80, outcome: "refused" });
  log.line.add({ job_id: jobId, trace_id: traceId, outcome: "started", queue_position: 3 });
  advance(250);
  expect(lines).toEqual([]);
  log.end({ method: "POST", status: 202 });
  log.end({ method: "POST", status: 500 });
  expect(lines).toEqual([
    `{"at":"2026-11-22T12:00:00.000Z","kind":"request","function":"start-generation","method":"POST",` +
    `"status":202,"duration_ms":250,"outcome":"started","trace_id":"${traceId}",` +
    `"request_trace_id":"${requestTraceId}","user_id":"${userId}","job_id":"${jobId}",` +
    `"queue_position":3,"body_bytes":80}`,
  ]);
});

test("a step is one line of its own, with the job's trace and the request's", async () => {
  const { log, told, advance } = testLog();
  const answer = await log.step(
    "submit",
    { trace_id: traceId, attempt_id: attemptId, attempt: 2 },
    (line) => {
      advance(40);
      line.add({ outcome: "accepted" });
      return Promise.resolve("task");
    },
  );
  expect(answer).toBe("task");
  expect(told()).toEqual([{
    at: "2026-11-22T12:00:00.000Z",
    kind: "step",
    function: "start-generation",
    step: "submit",
    duration_ms: 40,
    outcome: "accepted",
    trace_id: traceId,
    request_trace_id: requestTraceId,
    attempt_id: attemptId,
    attempt: 2,
  }]);
});

test("a step that fails still writes its line, and throws on", async () => {
  const { log, told } = testLog();
  const lost = new KernelError("claim_generations", "http_503", true);
  await expect(log.step("dispatch", {}, () => Promise.reject(lost))).rejects.toBe(lost);
  expect(told()).toMatchObject([{
    step: "dispatch",
    outcome: "failed",
    error: "KernelError",
    error_code: "http_503",
    error_call: "claim_generations",
  }]);
});

test("requests and steps that run at once in one isolate do not mix", async () => {
  const lines: string[] = [];
  const requests = Array.from({ length: 50 }, (_, index) => {
    const id = index.toString(16).padStart(32, "0");
    const { log } = testLog({ write: (line) => lines.push(line), traceId: id });
    const gate = Promise.withResolvers<void>();
    const steps = [0, 1].map((image) =>
      log.step("store_image", { image_index: image }, async (line) => {
        line.add({ image_bytes: index });
        await gate.promise;
        line.add({ failures: index });
      })
    );
    log.line.add({ body_bytes: index });
    return { steps, gate, end: () => log.end({ status: 200 + index }) };
  });
  // In another order than they began in.
  for (const { gate, end } of requests.toReversed()) {
    end();
    gate.resolve();
  }
  await Promise.all(requests.flatMap(({ steps }) => steps));
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(told).toHaveLength(150);
  for (const line of told) {
    const index = Number.parseInt(String(line["trace_id"]), 16);
    if (line["kind"] === "request") expect(line).toMatchObject({ body_bytes: index, status: 200 + index });
    else expect(line).toMatchObject({ image_bytes: index, failures: index });
  }
});

test.each<[string, Told]>([
  ["a text", { outcome: prompt }],
  ["a text of one word that is no code", { code: "lighthouse" }],
  ["a text of one word that is no cap", { cap: "lighthouse" }],
  ["a name in capitals", { reason: "Lighthouse" }],
  ["a token of 64 hex digits", { reason: "a".repeat(64), trace_id: "a".repeat(64) }],
  ["a key as an error's code", {
    error_code: ["sb", "secret", "abcdefghijklmnopqrstuv", "0123456789"].join("_"),
  }],
  ["a JWT", { error_code: "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln" }],
  ["a key", { gate_code: ["sb", "secret", "abcdefghijklmnopqrstuv"].join("_") }],
  ["an address", { reason: "https://cdn.example.com/0.png?token=x" }],
  ["an id with something after it", { job_id: `${jobId}\n${prompt}` }],
  ["a status that the contract does not have", { job_status: "dreaming" }],
  ["a number that is none", { body_bytes: Number.NaN, images: -1, rounds: 1.5, attempt: Infinity }],
  ["a message for a name", { error: `Error: ${prompt}` }],
  ["a path", { error_call: "generations/a/b" }],
])("%s is withheld where another form is due", (_, told) => {
  const { log, told: lineOf } = testLog();
  log.line.add(told);
  log.end({ status: 200 });
  expect(lineOf()[0]).toMatchObject(
    Object.fromEntries(Object.keys(told).map((name) => [name, withheldMark])),
  );
});

test("a value of another kind than text is withheld as well, and a field without a value is left out", () => {
  const { log, told, lines } = testLog();
  // As a caller without types could.
  const untyped: Record<string, unknown> = { outcome: { prompt }, status: [prompt], token_valid: prompt };
  log.line.add({ ...untyped, user_id: null, job_id: undefined });
  log.end({});
  expect(told()[0]).toMatchObject({
    outcome: withheldMark,
    status: withheldMark,
    token_valid: withheldMark,
  });
  expect(told()[0]).not.toHaveProperty("user_id");
  expect(told()[0]).not.toHaveProperty("job_id");
  expect(lines[0]).not.toContain("lighthouse");
});

test("a field that is not in the table is counted, and neither its value nor its name is written", () => {
  const { log, told, lines } = testLog();
  const untyped: Record<string, unknown> = { prompt, [prompt]: 1, toString: "x" };
  log.line.add(untyped);
  log.end({});
  expect(told()[0]).toMatchObject({ kind: "request", withheld: 3 });
  expect(lines[0]).not.toMatch(/lighthouse|prompt|toString/);
});

test.each<[unknown, Told]>([
  [quoting, { error: "Error" }],
  [new KernelError("start_generation", "42501", false), {
    error: "KernelError",
    error_code: "42501",
    error_call: "start_generation",
  }],
  [Object.assign(new TypeError(prompt), { code: 7 }), { error: "TypeError" }],
  [prompt, { error: "string" }],
  [undefined, { error: "undefined" }],
  [{ message: prompt }, { error: "object" }],
])("of an error only its kind is told: %#", (error, told) => {
  expect(errorFields(error)).toEqual(told);
  const { log, lines } = testLog();
  log.line.add(errorFields(error));
  log.end({});
  expect(lines[0]).not.toContain(withheldMark);
});
