// A callback as the provider sends it, and as anybody could: only a valid signature settles.

import { expect, test } from "vitest";
import { callbackToken, callbackTokenHash } from "../../shared/backend/callback-token.ts";
import { type Callback, receiveCallback } from "../../shared/backend/mod.ts";
import { signWebhook } from "../../shared/wavespeed/mod.ts";
import { predictionOf } from "./claims.ts";
import {
  attemptId,
  config,
  type Doubles,
  fakeBackend,
  jobId,
  otherAttemptId,
  startMs,
  traceId,
} from "./fake-backend.ts";

const nowSeconds = startMs / 1000;
const token = await callbackToken(config.callbackSecret, attemptId);
const delivery = {
  id: "task-1",
  status: "completed",
  outputs: ["https://cdn.example.com/0.png"],
  has_nsfw_contents: [false],
};

/** A genuine delivery, unless told otherwise. */
async function callbackOf(
  { secret = "whsec_for-tests", signedAt = nowSeconds, text = JSON.stringify(delivery), ...more }:
    & Partial<Callback>
    & { secret?: string; signedAt?: number; text?: string } = {},
): Promise<Callback & { headers: Headers }> {
  const body = new TextEncoder().encode(text);
  const headers = new Headers({
    ...await signWebhook({ secret, id: "msg-1", timestampSeconds: signedAt, body }),
  });
  return { body, attemptId, token, ...more, headers };
}

/** The same delivery with one header changed, or without it. */
function withHeader(
  callback: Callback & { headers: Headers },
  name: string,
  change: (value: string) => string | null,
): Callback {
  const headers = new Headers(callback.headers);
  const value = change(headers.get(name) ?? "");
  if (value === null) headers.delete(name);
  else headers.set(name, value);
  return { ...callback, headers };
}

test("a valid signature settles the task, tied to the token's attempt", async () => {
  const { backend, line, asked } = fakeBackend();
  expect(await receiveCallback(backend, await callbackOf(), line)).toMatchObject({ kind: "accepted" });
  expect(asked("settle_generation")).toEqual([{
    p_task_id: "task-1",
    p_attempt_id: attemptId,
    p_result: {
      status: "completed",
      outputs: ["https://cdn.example.com/0.png"],
      flagged: [false],
      class: null,
    },
  }]);
  expect(asked("note_callback")).toEqual([]);
});

test("the answer needs one kernel call; the slow half comes after", async () => {
  const { backend, line, calls } = fakeBackend({
    kernel: { settle_generation: () => ({ next: "persist", jobId, attemptId, status: "persisting" }) },
  });
  const received = await receiveCallback(backend, await callbackOf(), line);
  expect(calls.map(({ name }) => name)).toEqual(["settle_generation"]);
  if (received.kind !== "accepted") throw new Error(received.kind);
  await received.after?.();
  expect(calls.map(({ name }) => name)).toEqual([
    "settle_generation",
    "claim_generations",
    "claim_persists",
    "claim_generations",
  ]);
});

test("each of several secrets in force is accepted, and no other", async () => {
  const webhookSecrets = ["whsec_old", "whsec_new"];
  for (
    const [secret, kind] of [["whsec_old", "accepted"], ["whsec_new", "accepted"], [
      "whsec_none",
      "refused",
    ]] as const
  ) {
    const { backend, line } = fakeBackend({ config: { webhookSecrets } });
    expect(await receiveCallback(backend, await callbackOf({ secret, token: null }), line), secret)
      .toMatchObject({
        kind,
      });
  }
});

test.each([
  ["no token", { token: null }],
  ["no attempt", { attemptId: null }],
  ["a token of another attempt", { token: await callbackToken(config.callbackSecret, otherAttemptId) }],
  ["a token of another project", { token: await callbackToken("another secret", attemptId) }],
  ["an attempt that is no UUID", { attemptId: "1; drop table" }],
])("a signed callback with %s settles by its task id alone", async (_, more) => {
  const { backend, line, asked } = fakeBackend();
  expect(await receiveCallback(backend, await callbackOf(more), line)).toMatchObject({ kind: "accepted" });
  expect(asked("settle_generation")).toMatchObject([{ p_task_id: "task-1", p_attempt_id: null }]);
});

test.each([
  ["no JSON", "completed"],
  ["not a prediction", "[]"],
  ["a prediction without an id", JSON.stringify({ status: "completed" })],
  ["an id that could leave its path", JSON.stringify({ ...delivery, id: "../balance" })],
])("a signed body that is %s is malformed, and reaches no kernel", async (_, text) => {
  const { backend, line, calls } = fakeBackend();
  expect(await receiveCallback(backend, await callbackOf({ text }), line)).toEqual({ kind: "malformed" });
  expect(calls).toEqual([]);
});

const signed = await callbackOf();
const unverifiable: [string, Callback][] = [
  ["a body changed on the way", {
    ...signed,
    body: new TextEncoder().encode(JSON.stringify({ ...delivery, id: "task-2" })),
  }],
  ["an old signature", await callbackOf({ signedAt: nowSeconds - 301 })],
  ["a signature from the future", await callbackOf({ signedAt: nowSeconds + 301 })],
  [
    "an older signature under a new timestamp",
    withHeader(await callbackOf({ signedAt: nowSeconds - 9 }), "webhook-timestamp", () => String(nowSeconds)),
  ],
  ["no headers at all", { ...signed, headers: new Headers() }],
  ["no signature", withHeader(signed, "webhook-signature", () => null)],
  ["no timestamp", withHeader(signed, "webhook-timestamp", () => null)],
  ["a timestamp that is no number", withHeader(signed, "webhook-timestamp", () => "NaN")],
  ["a timestamp without end", withHeader(signed, "webhook-timestamp", () => "Infinity")],
  ["a timestamp beyond every number", withHeader(signed, "webhook-timestamp", () => "1e400")],
  [
    "a signature of another version",
    withHeader(signed, "webhook-signature", (value) => value.replace("v3,", "v1,")),
  ],
  ["a signature cut short", withHeader(signed, "webhook-signature", (value) => value.slice(0, -1))],
  ["a signature of another secret", await callbackOf({ secret: "whsec_other" })],
];

test.each(unverifiable)(
  "with %s and a valid token a poll becomes due, and nothing is settled",
  async (_, callback) => {
    const { backend, line, calls, asked } = fakeBackend({
      kernel: {
        note_callback: () => ({ known: true, pollDue: true }),
        claim_polls: () => ({ polls: [{ attemptId, taskId: "task-1", traceId }], listings: [] }),
      },
      provider: {
        result: () =>
          Promise.resolve({
            kind: "prediction",
            prediction: predictionOf({ status: "processing", outputs: [] }),
          }),
      },
    });
    const received = await receiveCallback(backend, callback, line);
    expect(calls).toEqual([{
      name: "note_callback",
      args: { p_attempt_id: attemptId, p_token_hash: await callbackTokenHash(token) },
    }]);
    if (received.kind !== "accepted" || received.after === null) throw new Error("no poll was made due");
    await received.after();
    expect(asked("claim_polls")).toMatchObject([{ p_attempt_id: attemptId }]);
    // What the provider answers to our key counts, not what the callback said.
    expect(asked("settle_generation")).toMatchObject([{ p_result: { status: "processing" } }]);
  },
);

test.each(unverifiable)("with %s and no token it is refused, unseen by the kernel", async (_, callback) => {
  const { backend, line, calls } = fakeBackend();
  expect(await receiveCallback(backend, { ...callback, token: null }, line)).toEqual({ kind: "refused" });
  expect(calls).toEqual([]);
});

test.each<[string, Partial<Callback>]>([
  ["of another attempt", { token: await callbackToken(config.callbackSecret, otherAttemptId) }],
  ["of another project", { token: await callbackToken("another secret", attemptId) }],
  ["that is empty", { token: "" }],
  ["in upper case", { token: token.toUpperCase() }],
  ["with a tail", { token: `${token}0` }],
  ["for an attempt that is no UUID", { attemptId: "../../x" }],
])("an unsigned callback with a token %s is refused, unseen by the kernel", async (_, more) => {
  const { backend, line, calls } = fakeBackend();
  const callback = { ...signed, headers: new Headers(), ...more };
  expect(await receiveCallback(backend, callback, line)).toEqual({ kind: "refused" });
  expect(calls).toEqual([]);
});

test.each<[string, Doubles["kernel"], unknown]>([
  ["is not known to the kernel", { note_callback: () => ({ known: false, pollDue: false }) }, {
    kind: "refused",
  }],
  ["was polled a moment ago", { note_callback: () => ({ known: true, pollDue: false }) }, {
    kind: "accepted",
    after: null,
  }],
])("an unsigned callback whose attempt %s polls nothing", async (_, kernel, expected) => {
  const { backend, line } = fakeBackend({ kernel });
  expect(await receiveCallback(backend, { ...signed, headers: new Headers() }, line)).toEqual(expected);
});

test("with no secret configured no signature is valid", async () => {
  for (const webhookSecrets of [[], [""], ["whsec_"]]) {
    const { backend, line } = fakeBackend({ config: { webhookSecrets } });
    expect(await receiveCallback(backend, { ...signed, token: null }, line)).toEqual({ kind: "refused" });
  }
});
