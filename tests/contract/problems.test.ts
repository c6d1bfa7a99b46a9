// The catalogue of problems and of job errors: complete, in range, and what a problem looks like on the wire.

import { expect, test } from "vitest";
import {
  caps,
  jobErrors,
  Problem,
  type ProblemCode,
  type ProblemExtra,
  problemOf,
  problems,
} from "../../shared/contract/mod.ts";

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

/** What an app must be able to show, or to wait for. */
const shown: Record<number, ProblemExtra[]> = {
  402: ["balance", "price"],
  429: ["retry_after_seconds", "cap", "limit"],
  503: ["retry_after_seconds"],
};

test.each(codes)("an answer of %s carries what its status must show", (code) => {
  const extras: readonly ProblemExtra[] = problems[code].extras;
  expect(new Set(extras).size).toBe(extras.length);
  expect(extras).toEqual(expect.arrayContaining(shown[problems[code].status] ?? []));
  // Where the same key can be tried again later, it is said when; where a choice is wrong, which field it is.
  expect(extras.includes("retry_after_seconds")).toBe([429, 503].includes(problems[code].status));
  if (/ retry_after_seconds /.test(problems[code].action)) expect(extras).toContain("retry_after_seconds");
  if (/ allowed /.test(problems[code].action)) expect(extras).toEqual(["fields", "allowed"]);
  if (/ named /.test(problems[code].action)) expect(extras).toContain("fields");
});

test("a cap of the project is named, but its height is the operator's", () => {
  expect(problems.spend_limit_reached.extras).toEqual(["retry_after_seconds", "cap"]);
  for (const code of codes) {
    const extras: readonly ProblemExtra[] = problems[code].extras;
    if (extras.includes("limit")) expect(problems[code].status).toBe(429);
  }
});

test.each(Object.entries(caps))("the cap %s has a name and a meaning", (name, meaning) => {
  expect(name).toMatch(/^(user|project)(_[a-z]+)+$/);
  expect(meaning).toMatch(sentence);
});

test("a problem carries what is said beside the catalogue's words", () => {
  const extras = {
    fields: ["modelId"],
    allowed: ["flux-dev", 4],
    retry_after_seconds: 3,
    balance: -1,
    price: 2,
    cap: "user_pending",
    limit: 20,
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
  ["a cap without a name", { cap: 7 }],
  ["a limit below nothing", { limit: -1 }],
  ["a limit of half a job", { limit: 1.5 }],
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
