// One attempt: when it may POST, what it sends, and that whatever came of it is recorded.

import { expect, test, vi } from "vitest";
import { dispatch } from "../../shared/backend/mod.ts";
import type { Submission, SubmitRequest } from "../../shared/wavespeed/mod.ts";
import { acceptedAs, claimOf, model, predictionOf } from "./claims.ts";
import { attemptId, type Doubles, fakeBackend, oneAfterAnother } from "./fake-backend.ts";

/** Submits one claim through dispatch, the only way in. */
async function submitOne(claim = claimOf(), doubles: Doubles = {}) {
  const submit = vi.fn((_: SubmitRequest) => Promise.resolve(acceptedAs("task-1")));
  const fake = fakeBackend({
    ...doubles,
    kernel: {
      claim_generations: oneAfterAnother({ claims: [claim], skippedUserIds: [] }, {
        claims: [],
        skippedUserIds: [],
      }),
      ...doubles.kernel,
    },
    provider: { submit, ...doubles.provider },
  });
  await dispatch(fake.backend);
  return { ...fake, submit, outcomes: fake.asked("record_submission").map((args) => args["p_outcome"]) };
}

test("a go is followed by exactly one POST, and its task id is recorded under the same send id", async () => {
  const { submit, asked, outcomes } = await submitOne();
  expect(submit).toHaveBeenCalledTimes(1);
  expect(outcomes).toEqual([{ kind: "accepted", taskId: "task-1" }]);
  expect(asked("record_submission")[0]?.["p_send_id"]).toBe(asked("mark_sending")[0]?.["p_send_id"]);
});

test("the POST carries the model's own input and the callback's address with attempt and token", async () => {
  const { submit, asked } = await submitOne();
  const request = submit.mock.calls[0]?.[0];
  expect(request).toMatchObject({
    modelId: "wavespeed-ai/flux-schnell",
    deadlineMs: 30_000,
    input: {
      prompt: "a lighthouse at dusk",
      size: "1024*1024",
      output_format: "jpeg",
      num_images: 2,
      seed: 77,
    },
  });
  const address = new URL(request?.webhookUrl ?? "");
  expect(address.origin + address.pathname).toBe(
    "https://project.example.com/functions/v1/wavespeed-webhook",
  );
  expect(address.searchParams.get("attempt")).toBe(attemptId);
  expect(address.searchParams.get("token")).toMatch(/^[0-9a-f]{64}$/);
  // The database learns the token's hash alone.
  expect(asked("mark_sending")[0]?.["p_callback_token_hash"]).toMatch(/^[0-9a-f]{64}$/);
  expect(asked("mark_sending")[0]?.["p_callback_token_hash"]).not.toBe(address.searchParams.get("token"));
});

test("no callback address is sent where the provider cannot call back", async () => {
  const { submit } = await submitOne(claimOf(), { config: { webhookUrl: null } });
  expect(submit.mock.calls[0]?.[0]).not.toHaveProperty("webhookUrl");
});

test("a callback address that is no URL fails before the attempt is marked as sent", async () => {
  const failing = fakeBackend({
    kernel: { claim_generations: () => ({ claims: [claimOf()], skippedUserIds: [] }) },
    config: { webhookUrl: "not a url" },
  });
  await expect(dispatch(failing.backend)).rejects.toThrow(TypeError);
  expect(failing.asked("mark_sending")).toEqual([]);
});

test("nothing is posted and nothing recorded without a go", async () => {
  const { submit, outcomes, logged } = await submitOne(claimOf(), {
    kernel: { mark_sending: () => ({ go: false, reason: "already_sent" }) },
  });
  expect(submit).not.toHaveBeenCalled();
  expect(outcomes).toEqual([]);
  expect(logged.join()).toContain("already_sent");
});

test.each([
  { leaseSeconds: 30, askingMs: 0, posts: 1 },
  { leaseSeconds: 29.9, askingMs: 0, posts: 0 },
  { leaseSeconds: 60, askingMs: 30_000, posts: 1 },
  { leaseSeconds: 60, askingMs: 30_001, posts: 0 },
])(
  "with $leaseSeconds s of lease of which asking took $askingMs ms there are $posts POSTs",
  async (times) => {
    const submit = vi.fn(() => Promise.resolve(acceptedAs("task-1")));
    const fake = fakeBackend({
      kernel: {
        claim_generations: oneAfterAnother({ claims: [claimOf()], skippedUserIds: [] }, {
          claims: [],
          skippedUserIds: [],
        }),
        mark_sending: () => {
          fake.advance(times.askingMs);
          return { go: true, leaseSeconds: times.leaseSeconds };
        },
      },
      provider: { submit },
    });
    await dispatch(fake.backend);
    expect(submit).toHaveBeenCalledTimes(times.posts);
    expect(fake.asked("record_submission")[0]?.["p_outcome"]).toEqual(
      times.posts === 1 ? { kind: "accepted", taskId: "task-1" } : { kind: "rejected", class: "interrupted" },
    );
  },
);

test.each([
  ["a ratio that the row does not translate", claimOf({ aspectRatio: "21:9" })],
  ["more pictures than the row can ask for", claimOf({ model: { ...model, images_field: null } })],
  ["a row of another shape", claimOf({ model: { path: "one-word", surprise: true } })],
  ["a row whose path is another endpoint's", claimOf({ model: { ...model, path: "balance" } })],
  ["a row with a field nobody knows", claimOf({ model: { ...model, negative_field: "negative_prompt" } })],
  ["no row at all", claimOf({ model: null })],
  ["words that were erased meanwhile", claimOf({ prompt: null })],
])("%s is unsendable, recorded without a POST", async (_, claim) => {
  const { submit, outcomes } = await submitOne(claim);
  expect(submit).not.toHaveBeenCalled();
  expect(outcomes).toEqual([{ kind: "rejected", class: "unsendable" }]);
});

test("a bad catalogue row fails its own job and not the others of the claim", async () => {
  const { outcomes } = await submitOne(claimOf(), {
    kernel: {
      claim_generations: oneAfterAnother(
        { claims: [claimOf({ model: {} }), claimOf()], skippedUserIds: [] },
        { claims: [], skippedUserIds: [] },
      ),
    },
  });
  expect(outcomes).toHaveLength(2);
  expect(outcomes).toContainEqual({ kind: "rejected", class: "unsendable" });
  expect(outcomes).toContainEqual({ kind: "accepted", taskId: "task-1" });
});

const inputPaths = ["user/one.png", "user/two.png"];

test("reference images travel as signed URLs, in their order", async () => {
  const signed: unknown[] = [];
  const { submit } = await submitOne(claimOf({ inputPaths }), {
    store: {
      sign: (bucket, path, seconds) => {
        signed.push([bucket, seconds]);
        return Promise.resolve(`https://project.example.com/${path}?token=t`);
      },
    },
  });
  expect(submit.mock.calls[0]?.[0].input["images"]).toEqual([
    "https://project.example.com/user/one.png?token=t",
    "https://project.example.com/user/two.png?token=t",
  ]);
  expect(signed).toEqual([["generation-inputs", 10_800], ["generation-inputs", 10_800]]);
});

test("reference images are uploaded to the provider where it cannot read ours", async () => {
  const names: string[] = [];
  const { submit } = await submitOne(claimOf({ inputPaths }), {
    config: { inputDelivery: "upload" },
    store: { download: (_, path) => Promise.resolve(new Blob([path])) },
    provider: {
      upload: async (file, name) => {
        names.push(name);
        return { kind: "ok", value: { url: `https://provider.example.com/${await file.text()}` } };
      },
    },
  });
  expect(names).toEqual(["one.png", "two.png"]);
  expect(submit.mock.calls[0]?.[0].input["images"]).toEqual([
    "https://provider.example.com/user/one.png",
    "https://provider.example.com/user/two.png",
  ]);
});

test.each<[string, string, Doubles]>([
  ["is gone", "input_missing", { store: { sign: () => Promise.resolve(null) } }],
  ["is gone before its upload", "input_missing", {
    config: { inputDelivery: "upload" },
    store: { download: () => Promise.resolve(null) },
  }],
  ["cannot be signed now", "interrupted", {
    store: { sign: () => Promise.reject(new Error("storage is away")) },
  }],
  ["cannot be read now", "interrupted", {
    config: { inputDelivery: "upload" },
    store: { download: () => Promise.reject(new Error("storage is away")) },
  }],
  ["the provider does not take now", "interrupted", {
    config: { inputDelivery: "upload" },
    store: { download: () => Promise.resolve(new Blob([])) },
    provider: { upload: () => Promise.resolve({ kind: "not_found" }) },
  }],
])("a reference image that %s is recorded as %s without a POST", async (_, outcome, doubles) => {
  const { submit, outcomes } = await submitOne(claimOf({ inputPaths }), doubles);
  expect(submit).not.toHaveBeenCalled();
  expect(outcomes).toEqual([{ kind: "rejected", class: outcome }]);
});

test.each<[Submission, Record<string, unknown>]>([
  [acceptedAs("task-9"), { kind: "accepted", taskId: "task-9" }],
  [
    {
      kind: "rejected",
      class: "rate_limited",
      httpStatus: 429,
      retryAfterSeconds: 12,
      detail: "",
      providerMessage: "no",
    },
    { kind: "rejected", class: "rate_limited", retryAfterSeconds: 12 },
  ],
  [{ kind: "rejected", class: "bad_input", httpStatus: 400, detail: "" }, {
    kind: "rejected",
    class: "bad_input",
  }],
  // Not the provider's verdict: the client could not write the request down.
  [{ kind: "rejected", class: "bad_input", httpStatus: null, detail: "" }, {
    kind: "rejected",
    class: "unsendable",
  }],
  [{ kind: "rejected", class: "not_sent", httpStatus: null, detail: "" }, {
    kind: "rejected",
    class: "not_sent",
  }],
  [{ kind: "unknown", cause: "timeout", httpStatus: null, detail: "" }, {
    kind: "unknown",
    cause: "timeout",
  }],
])("what the POST came to is recorded: %o", async (submission, outcome) => {
  const { outcomes } = await submitOne(claimOf(), {
    provider: { submit: () => Promise.resolve(submission) },
  });
  expect(outcomes).toEqual([outcome]);
});

test("a task of a job that was canceled under its POST is told to the provider, which is then asked what became of it", async () => {
  const told: string[] = [];
  const { asked, logged } = await submitOne(claimOf(), {
    kernel: { record_submission: () => ({ recorded: true, tellTaskIds: ["task-1"] }) },
    provider: {
      delete: (taskId) => {
        told.push(taskId);
        return Promise.resolve({ kind: "ok", value: { status: "deleted" } });
      },
      result: () =>
        Promise.resolve({ kind: "prediction", prediction: predictionOf({ status: "deleted", outputs: [] }) }),
    },
  });
  expect(told).toEqual(["task-1"]);
  expect(asked("settle_generation")).toMatchObject([{
    p_task_id: "task-1",
    p_attempt_id: null,
    p_result: { status: "deleted", class: "deleted" },
  }]);
  expect(logged.join()).toContain('"provider_told":true');
});

test("nobody is told of a task that is wanted", async () => {
  const { logged } = await submitOne(); // the double refuses a delete
  expect(logged.join()).not.toContain("provider_told");
});

test("what the provider said stays in the line where it could not be recorded", async () => {
  const claims = oneAfterAnother({ claims: [claimOf()], skippedUserIds: [] });
  const { backend, logged } = fakeBackend({
    kernel: { claim_generations: claims, record_submission: () => Promise.reject(new Error("gone")) },
    provider: { submit: () => Promise.resolve(acceptedAs("task-1")) },
  });
  await expect(dispatch(backend)).rejects.toThrow("gone");
  const [line] = logged.map((one) => JSON.parse(one)).filter(({ step }) => step === "submit");
  expect(line).toMatchObject({ outcome: "failed", submission: "accepted", error: "Error" });
});

test("why there was nothing to send stays in the line where the lease was lost over it", async () => {
  const { logged } = await submitOne(claimOf({ inputPaths: ["user/one.png"] }), {
    kernel: { mark_sending: () => ({ go: false, reason: "lease_lost" }) },
    store: { sign: () => Promise.reject(new Error("storage is away")) },
  });
  const [line] = logged.map((one) => JSON.parse(one)).filter(({ step }) => step === "submit");
  expect(line).toMatchObject({
    outcome: "skipped",
    reason: "lease_lost",
    input_fault: "inputs_unreachable",
    error: "Error",
  });
});
