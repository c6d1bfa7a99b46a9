// Jobs, pictures, changes and cancels as SQL makes them, and what is none of them.

import { expect, test } from "vitest";
import {
  CancelAnswer,
  CancelRequest,
  changeEvent,
  ChangeMessage,
  changeTopic,
  GenerationImage,
  GenerationJob,
  generationStatuses,
  hasEnded,
  imageFromRow,
  jobFromRow,
  terminalStatuses,
} from "../../shared/contract/mod.ts";
import { imageOf, jobOf, rowOf } from "./samples.ts";

test("exactly completed, failed and canceled absorb", () => {
  expect([...terminalStatuses].sort()).toEqual(["canceled", "completed", "failed"]);
  expect(generationStatuses.filter((status) => hasEnded({ status }))).toEqual([
    "completed",
    "failed",
    "canceled",
  ]);
});

test.each(generationStatuses)("a job may be %s", (status) => {
  expect(GenerationJob.parse(jobOf({ status })).status).toBe(status);
});

test.each([
  ["seconds", "2026-11-22T12:00:00+00:00"],
  ["microseconds", "2026-11-22T12:00:00.123456+00:00"],
  ["another zone", "2026-11-22T17:30:00.1+05:30"],
  ["UTC's letter", "2026-11-22T12:00:00.000Z"],
])("a time with %s is one", (_, createdAt) => {
  expect(GenerationJob.parse(jobOf({ createdAt })).createdAt).toBe(createdAt);
});

test.each<[string, Record<string, unknown>]>([
  ["an unknown status", { status: "cancelled" }],
  ["no status", { status: null }],
  ["an id that is none", { id: "1" }],
  ["no pictures asked", { numImages: 0 }],
  ["a count as a text", { attempts: "0" }],
  ["credits below nothing", { creditsHeld: -1 }],
  ["half a credit", { creditsCaptured: 0.5 }],
  ["a time without an offset", { createdAt: "2026-11-22T12:00:00" }],
  ["a time as SQL's text", { createdAt: "2026-11-22 12:00:00+00" }],
  ["a number as a time", { endedAt: 1_795_348_800 }],
  ["no time of making", { createdAt: null }],
  ["a missing field", { traceId: undefined }],
])("a job with %s is none", (_, change) => {
  expect(GenerationJob.safeParse({ ...jobOf(), ...change }).success).toBe(false);
});

test.each<[string, Record<string, unknown>]>([
  ["a width of nothing", { width: 0 }],
  ["a digest in upper case", { sha256: "A".repeat(64) }],
  ["a digest cut short", { sha256: "a".repeat(63) }],
  ["an index below zero", { index: -1 }],
  ["no path", { path: null }],
  ["a flag as a text", { flagged: "false" }],
])("a picture with %s is none", (_, change) => {
  expect(GenerationImage.safeParse({ ...imageOf(), ...change }).success).toBe(false);
});

test("what a job or a picture does not show is not carried along", () => {
  const shown = GenerationJob.parse({ ...jobOf(), prompt: "a fox", inputPaths: ["u/a.png"], userId: "u" });
  expect(shown).toEqual(jobOf());
  expect(GenerationImage.parse({ ...imageOf(), userId: "u" })).toEqual(imageOf());
});

test("a row of each table becomes what the wire carries, and nothing more", () => {
  const hidden = {
    user_id: "u",
    idempotency_key: "k",
    request_hash: "h",
    input_paths: [],
    ready_at: null,
    attempt_id: null,
  };
  expect(jobFromRow({ ...rowOf(jobOf({ retryOf: jobOf().id })), ...hidden })).toEqual(
    jobOf({ retryOf: jobOf().id }),
  );
  expect(imageFromRow({ ...rowOf(imageOf({ thumbPath: "t" })), ...hidden })).toEqual(
    imageOf({ thumbPath: "t" }),
  );
});

test("each column of a row is needed, under its own name", () => {
  for (const column of Object.keys(rowOf(jobOf()))) {
    const { [column]: _, ...rest } = rowOf(jobOf());
    expect(() => jobFromRow(rest), column).toThrow();
  }
  for (const column of Object.keys(rowOf(imageOf()))) {
    const { [column]: _, ...rest } = rowOf(imageOf());
    expect(() => imageFromRow(rest), column).toThrow();
  }
  expect(() => jobFromRow({ ...jobOf() })).toThrow();
});

const change = {
  seq: 7,
  jobs: [jobOf({ seq: 7 })],
  images: [imageOf({ seq: 7 })],
  account: { balance: 12, seq: 7 },
};

test("a change has its number, the rows that carry it, and the account", () => {
  expect(ChangeMessage.parse(change)).toEqual(change);
  const balanceAlone = { ...change, jobs: [], images: [] };
  expect(ChangeMessage.parse(balanceAlone)).toEqual(balanceAlone);
  expect(ChangeMessage.parse({ ...change, account: { balance: -3, seq: 7 } }).account.balance).toBe(-3);
});

test("a change with more than we know is read without it", () => {
  expect(ChangeMessage.parse({ ...change, id: "of the service" })).toEqual(change);
});

test.each<[string, Record<string, unknown>]>([
  ["no number", { seq: undefined }],
  ["the number zero", { seq: 0 }],
  ["no account", { account: null }],
  ["jobs that are no list", { jobs: null }],
  ["a job that is none", { jobs: [{ id: "1" }] }],
  ["a picture that is none", { images: [jobOf()] }],
])("a change with %s is none", (_, more) => {
  expect(ChangeMessage.safeParse({ ...change, ...more }).success).toBe(false);
});

test("the topic is the user's own", () => {
  expect(changeTopic("u")).toBe("generations:u");
  expect(changeEvent).toBe("change");
});

test("a cancel names its job and nothing else", () => {
  expect(CancelRequest.parse({ jobId: jobOf().id })).toEqual({ jobId: jobOf().id });
  for (
    const asked of [{}, { jobId: "1" }, { jobId: null }, { jobId: jobOf().id, userId: "u" }, [], null, "x"]
  ) {
    expect(CancelRequest.safeParse(asked).success, JSON.stringify(asked)).toBe(false);
  }
});

test("a cancel's answer says outcome, refund and whether the provider was told, in known words", () => {
  const answer = {
    job: jobOf({ status: "canceled" }),
    outcome: "canceled",
    refund: "pending",
    providerTold: false,
  };
  expect(CancelAnswer.parse(answer)).toEqual(answer);
  for (const outcome of ["canceled", "too_late", "already_ended"]) {
    for (const refund of ["released", "pending", "none"]) {
      expect(CancelAnswer.safeParse({ ...answer, outcome, refund }).success).toBe(true);
    }
  }
  expect(CancelAnswer.safeParse({ ...answer, outcome: "cancelled" }).success).toBe(false);
  expect(CancelAnswer.safeParse({ ...answer, providerTold: "no" }).success).toBe(false);
});
