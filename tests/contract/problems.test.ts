// The catalogue of problems and of job errors: complete, in range, and what a problem looks like on the wire.

import { expect, test } from "vitest";
import { jobErrors, Problem, type ProblemCode, problemOf, problems } from "../../shared/contract/mod.ts";

const codes = Object.keys(problems) as ProblemCode[];
const sentence = /^[A-Z].*\.$/s;

test.each(codes)("%s has a name, a status, a meaning and an action", (code) => {
  const { status, title, action } = problems[code];
  expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
  expect(Number.isInteger(status) && status >= 400 && status <= 599).toBe(true);
  expect(title).toMatch(sentence);
  expect(action).toMatch(sentence);
});

test("each status is one that the API means to give", () => {
  const statuses = new Set<number>(codes.map((code) => problems[code].status));
  expect([...statuses].sort()).toEqual([400, 401, 402, 404, 405, 409, 413, 422, 429, 500, 503]);
});

test.each<[ProblemCode, number]>([
  ["insufficient_credits", 402],
  ["payload_too_large", 413],
  ["idempotency_key_reused", 422],
  ["rate_limited", 429],
  ["too_many_pending", 429],
  ["intake_paused", 503],
  ["spend_limit_reached", 503],
  ["job_not_found", 404],
  ["unauthorized", 401],
])("%s is answered with %i", (code, status) => {
  expect(problems[code].status).toBe(status);
});

test.each(codes)("the problem of %s is one on the wire, with the catalogue's words", (code) => {
  const problem = problemOf(code, "trace");
  expect(Problem.parse(JSON.parse(JSON.stringify(problem)))).toEqual({
    type: "about:blank",
    code,
    status: problems[code].status,
    title: problems[code].title,
    detail: problems[code].action,
    trace_id: "trace",
  });
});

test("a problem carries what is said beside the catalogue's words", () => {
  const extras = {
    fields: ["modelId"],
    allowed: ["flux-dev", 4],
    retry_after_seconds: 3,
    balance: -1,
    price: 2,
  };
  expect(Problem.parse(problemOf("unknown_model", "t", extras))).toMatchObject(extras);
});

test.each<[string, Record<string, unknown>]>([
  ["no code", { code: undefined }],
  ["a status as a text", { status: "400" }],
  ["no trace", { trace_id: undefined }],
  ["fields that are no list", { fields: "modelId" }],
  ["a wait below nothing", { retry_after_seconds: -1 }],
  ["a wait of half a second", { retry_after_seconds: 0.5 }],
])("a problem with %s is none", (_, change) => {
  expect(Problem.safeParse({ ...problemOf("rate_limited", "t"), ...change }).success).toBe(false);
});

test("a code of a later version is still a problem", () => {
  expect(Problem.parse({ ...problemOf("rate_limited", "t"), code: "of_next_year" }).code).toBe(
    "of_next_year",
  );
});

test.each(Object.entries(jobErrors))(
  "the job error %s says what it means and what to do",
  (code, { retryable, title, action }) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(title).toMatch(sentence);
    expect(action).toMatch(sentence);
    // One-tap retry is offered exactly where asking again may help.
    expect(/\bretry\b/i.test(action)).toBe(retryable);
  },
);
