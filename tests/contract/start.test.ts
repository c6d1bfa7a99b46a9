// POST start-generation: the shape that a request must have before the catalogue looks at its values.

import { expect, test } from "vitest";
import {
  hashRequest,
  IdempotencyKey,
  maxStartBytes,
  Queue,
  StartAnswer,
  StartRequest,
} from "../../shared/contract/mod.ts";
import { jobOf } from "./samples.ts";

const least = { modelId: "flux-schnell", prompt: "a fox", aspectRatio: "1:1" };
const uuid = "3f8e2c1a-7b6d-4e5f-9a0b-1c2d3e4f5a6b";
const fields = (request: unknown) => {
  const read = StartRequest.safeParse(request);
  if (read.success) return [];
  const names = read.error.issues.map((issue) =>
    issue.code === "unrecognized_keys" ? issue.keys[0] : issue.path.join(".")
  );
  return [...new Set(names)];
};

test.each<[string, Record<string, unknown>]>([
  ["the least that a tap says", least],
  ["everything that a tap can say", {
    ...least,
    numImages: 4,
    seed: 0,
    inputPaths: [`${uuid}/one.png`],
    retryOf: uuid,
  }],
  ["an empty prompt, which the catalogue refuses in its own words", { ...least, prompt: "" }],
  ["the longest prompt", { ...least, prompt: "x".repeat(10_000) }],
  ["the greatest seed", { ...least, seed: 2_147_483_647 }],
  ["no inputs", { ...least, inputPaths: [] }],
  ["a retry, which needs no more than the job's id", { retryOf: uuid }],
  ["a retry with one thing changed", { retryOf: uuid, prompt: "a wolf" }],
  ["any language and pairs of surrogates", { ...least, prompt: "日本語 😀 \u202e \r\n\t" }],
])("%s is taken as it is", (_, request) => {
  expect(StartRequest.parse(request)).toEqual(request);
});

test.each<[string, Record<string, unknown>, string]>([
  ["an unknown field", { userId: uuid }, "userId"],
  ["a field of SQL's spelling", { model_id: "flux-schnell" }, "model_id"],
  ["a missing model", { modelId: undefined }, "modelId"],
  ["a missing prompt", { prompt: undefined }, "prompt"],
  ["a missing ratio", { aspectRatio: undefined }, "aspectRatio"],
  ["an empty model", { modelId: "" }, "modelId"],
  ["a prompt that is no text", { prompt: { text: "a fox" } }, "prompt"],
  ["a prompt that is too long", { prompt: "x".repeat(10_001) }, "prompt"],
  ["a count of none", { numImages: 0 }, "numImages"],
  ["a count as a text", { numImages: "2" }, "numImages"],
  ["half a picture", { numImages: 1.5 }, "numImages"],
  ["more pictures than any model makes", { numImages: 16 }, "numImages"],
  ["a null where the field could be left out", { seed: null }, "seed"],
  ["a seed below zero", { seed: -1 }, "seed"],
  ["a seed above the provider's greatest", { seed: 2_147_483_648 }, "seed"],
  ["inputs that are no list", { inputPaths: `${uuid}/one.png` }, "inputPaths"],
  ["an input without a name", { inputPaths: ["a", ""] }, "inputPaths.1"],
  ["too many inputs", { inputPaths: Array.from({ length: 15 }, () => "a") }, "inputPaths"],
  ["an input of an endless name", { inputPaths: ["a".repeat(1025)] }, "inputPaths.0"],
  ["a retry of something that is no id", { retryOf: "the last one" }, "retryOf"],
  ["a retry of nothing", { retryOf: null }, "retryOf"],
])("%s is refused by its name", (_, change, field) => {
  expect(fields({ ...least, ...change })).toEqual([field]);
});

test.each<[string, Record<string, unknown>, string[]]>([
  ["nothing at all", {}, ["modelId", "prompt", "aspectRatio"]],
  ["everything but what is needed", { numImages: 2, seed: 7, inputPaths: [] }, [
    "modelId",
    "prompt",
    "aspectRatio",
  ]],
  ["a wrong field beside missing ones", { seed: "7", prompt: "a fox" }, ["seed", "modelId", "aspectRatio"]],
])("without retryOf %s is refused by the names of all that is missing or wrong", (_, request, names) => {
  expect(fields(request)).toEqual(names);
});

test.each(Object.keys(least))("a retry's %s must have the right shape all the same", (name) => {
  expect(fields({ retryOf: uuid, [name]: 7 })).toEqual([name]);
  expect(fields({ retryOf: uuid, [name]: null })).toEqual([name]);
});

test("the hash of a retry covers what was sent and nothing that will be copied", async () => {
  const hash = (request: Record<string, unknown>) => hashRequest(StartRequest.parse(request));
  expect(await hash({ retryOf: uuid })).toBe(await hashRequest({ retryOf: uuid }));
  const hashes = await Promise.all([
    hash({ retryOf: uuid }),
    hash({ retryOf: "51a7c0de-0d6b-4b4e-8a3c-6d1f6a2b7c01" }),
    hash({ ...least, retryOf: uuid }),
    ...Object.entries(least).map(([name, value]) => hash({ retryOf: uuid, [name]: value })),
  ]);
  expect(new Set(hashes).size).toBe(6);
});

// Cause: jsonb takes neither, and PostgreSQL prints the JSON around the fault, here the prompt, into its log.
test.each(["a \0 fox", "\ud83e fox", "fox \udd8a", "\udd8a\ud83e"])(
  "text that no database can store is refused in every field: %j",
  (text) => {
    expect(fields({ ...least, prompt: text })).toEqual(["prompt"]);
    expect(fields({ ...least, modelId: text })).toEqual(["modelId"]);
    expect(fields({ ...least, aspectRatio: text })).toEqual(["aspectRatio"]);
    expect(fields({ ...least, inputPaths: [text] })).toEqual(["inputPaths.0"]);
  },
);

test("a prototype smuggled in as a field is an unknown field, or none at all", () => {
  const smuggled: unknown = JSON.parse(
    `{"modelId":"m","prompt":"p","aspectRatio":"1:1","__proto__":{"seed":1}}`,
  );
  const read = StartRequest.safeParse(smuggled);
  if (read.success) expect(Object.keys(read.data).sort()).toEqual(["aspectRatio", "modelId", "prompt"]);
  expect(read.data?.seed).toBeUndefined();
});

test.each([null, "a fox", 7, [], [least]])("%j is no request", (request) => {
  expect(StartRequest.safeParse(request).success).toBe(false);
});

test("the largest request that fits the shape fits the body's limit too, in plain letters", () => {
  const largest = {
    ...least,
    prompt: "x".repeat(10_000),
    inputPaths: Array.from({ length: 14 }, () => "a".repeat(1024)),
  };
  expect(StartRequest.safeParse(largest).success).toBe(true);
  expect(new TextEncoder().encode(JSON.stringify(largest)).byteLength).toBeLessThan(maxStartBytes);
});

test("an idempotency key is a UUID", () => {
  expect(IdempotencyKey.safeParse(uuid).success).toBe(true);
  for (
    const key of [null, undefined, "", "1", `${uuid}0`, ` ${uuid}`, uuid.replaceAll("-", ""), `{${uuid}}`]
  ) {
    expect(IdempotencyKey.safeParse(key).success, String(key)).toBe(false);
  }
});

test("an answer has the job, the account and the place in the queue", () => {
  const answer = {
    job: jobOf(),
    account: { balance: 18, seq: 4 },
    queue: { position: 100, exact: false, etaSeconds: 60, hold: null },
  };
  expect(StartAnswer.parse(answer)).toEqual(answer);
  for (const missing of ["job", "account", "queue"]) {
    expect(StartAnswer.safeParse({ ...answer, [missing]: undefined }).success, missing).toBe(false);
  }
  expect(Queue.safeParse({ position: -1, exact: true, etaSeconds: 0 }).success).toBe(false);
  expect(Queue.safeParse({ position: "100+", exact: true, etaSeconds: 0 }).success).toBe(false);
});
