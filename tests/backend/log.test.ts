// A log line: one JSON object, and of an error its kind alone.

import { expect, test } from "vitest";
import { createLog, errorName, KernelError } from "../../shared/backend/mod.ts";
import { jobId, startMs } from "./fake-backend.ts";

const prompt = "a lighthouse at dusk";
const quoting = new Error(`could not do "${prompt}"`);

test("a line is one JSON object with the time and the event, and undefined fields are left out", () => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), () => startMs);
  log("submit", { jobId, attempts: 2, replay: false, class: undefined, next: null });
  expect(lines).toEqual([
    `{"at":"2026-11-22T12:00:00.000Z","event":"submit","jobId":"${jobId}","attempts":2,"replay":false,"next":null}`,
  ]);
  log("a\nb");
  expect(lines[1]).not.toContain("\n");
});

test.each([
  [quoting, "Error"],
  [new KernelError("start_generation", "42501", false), "KernelError 42501"],
  [Object.assign(new TypeError(prompt), { code: 7 }), "TypeError"],
  [prompt, "string"],
  [undefined, "undefined"],
  [{ message: prompt }, "object"],
])("of an error only its kind is told: %#", (error, name) => {
  expect(errorName(error)).toBe(name);
});
