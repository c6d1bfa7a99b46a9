// The two taps: what the kernel is asked, and what its answer becomes.

import { expect, test } from "vitest";
import { cancel, start } from "../../shared/backend/mod.ts";
import { hashRequest } from "../../shared/contract/mod.ts";
import type { Wavespeed } from "../../shared/wavespeed/mod.ts";
import { jobOf } from "../contract/samples.ts";
import { predictionOf } from "./claims.ts";
import { fakeBackend, jobId, type Script, traceId, userId } from "./fake-backend.ts";

const request = { modelId: "flux-schnell", prompt: "a lighthouse at dusk", aspectRatio: "1:1" };
const tap = { userId, idempotencyKey: "3f8e2c1a-7b6d-4e5f-9a0b-1c2d3e4f5a6b", request, traceId };
const shown = {
  job: jobOf(),
  account: { balance: 18, seq: 4 },
  queue: { position: 0, exact: true, etaSeconds: 4, hold: null },
};

test("a start asks the kernel with the request, its hash, the key and the caller", async () => {
  const { backend, line, asked } = fakeBackend({
    kernel: { start_generation: () => ({ ok: true, replay: false, ...shown }) },
  });
  expect(await start(backend, tap, line)).toEqual({ kind: "started", answer: shown });
  expect(asked("start_generation")).toEqual([{
    p_user_id: userId,
    p_idempotency_key: tap.idempotencyKey,
    p_request: request,
    p_request_hash: await hashRequest(request),
    p_trace_id: traceId,
  }]);
});

test("the same key again is a replay with the same shape", async () => {
  const { backend, line } = fakeBackend({
    kernel: { start_generation: () => ({ ok: true, replay: true, ...shown }) },
  });
  expect(await start(backend, tap, line)).toEqual({ kind: "replayed", answer: shown });
});

test("a refusal is a value, with all that the kernel says of it", async () => {
  const error = { code: "insufficient_credits", balance: 1, price: 2 };
  const { backend, line } = fakeBackend({ kernel: { start_generation: () => ({ ok: false, error }) } });
  expect(await start(backend, tap, line)).toEqual({ kind: "refused", refusal: { ok: false, error } });
});

const canceled = {
  ok: true,
  job: jobOf({ status: "canceled", endedAt: "2026-11-22T12:00:09+00:00" }),
  outcome: "canceled",
  refund: "pending",
};

test("the provider is told of no task unless the kernel names one", async () => {
  const { backend, line, asked } = fakeBackend({
    kernel: { cancel_generation: () => ({ ...canceled, tellTaskIds: [] }) },
  });
  expect(await cancel(backend, userId, jobId, line)).toMatchObject({
    kind: "answered",
    answer: { outcome: "canceled", refund: "pending", providerTold: false },
  });
  expect(asked("cancel_generation")).toEqual([{ p_user_id: userId, p_job_id: jobId }]);
});

test("the answer to the app names no task of the provider", async () => {
  const { backend, line } = fakeBackend({
    kernel: { cancel_generation: () => ({ ...canceled, tellTaskIds: ["task-1"] }) },
    provider: {
      delete: () => Promise.resolve({ kind: "ok", value: { status: "deleted" } }),
      result: () => Promise.resolve({ kind: "not_found" }),
    },
  });
  const answered = await cancel(backend, userId, jobId, line);
  expect(JSON.stringify(answered)).not.toContain("task-1");
});

test.each(
  [
    [["ok", "ok"], true],
    [["not_found", "ok"], true],
    [["not_found", "rate_limited"], false],
  ] as const,
)("told of tasks that answer %j, the provider counts as told: %s", async (kinds, providerTold) => {
  const told: string[] = [];
  const answers = [...kinds];
  const { backend, line } = fakeBackend({
    kernel: { cancel_generation: () => ({ ...canceled, tellTaskIds: ["task-1", "task-2"] }) },
    provider: {
      result: () => Promise.resolve({ kind: "not_found" }),
      delete: (taskId) => {
        told.push(taskId);
        const kind = answers.shift();
        return Promise.resolve(
          kind === "ok" ? { kind, value: { status: "deleted" } } : { kind: kind ?? "not_found" },
        );
      },
    },
  });
  expect(await cancel(backend, userId, jobId, line)).toMatchObject({
    answer: { outcome: "canceled", providerTold },
  });
  expect(told).toEqual(["task-1", "task-2"]);
});

const telling: Script = { cancel_generation: () => ({ ...canceled, tellTaskIds: ["task-1"] }) };
const deleted: Wavespeed["delete"] = () => Promise.resolve({ kind: "ok", value: { status: "deleted" } });

test.each(["deleted", "cancelled", "processing", "completed"] as const)(
  "what a told provider then says of the task is settled as any result: %s",
  async (status) => {
    const prediction = predictionOf({ status, outputs: [] });
    const { backend, line, asked } = fakeBackend({
      kernel: telling,
      provider: { delete: deleted, result: () => Promise.resolve({ kind: "prediction", prediction }) },
    });
    await cancel(backend, userId, jobId, line);
    expect(asked("settle_generation")).toMatchObject([{ p_task_id: "task-1", p_result: { status } }]);
  },
);

test.each<[string, Partial<Wavespeed>]>([
  ["a delete that is refused", {
    delete: () =>
      Promise.resolve({ kind: "unavailable", cause: "refused", httpStatus: 400, detail: "refused" }),
  }],
  ["a delete of a task that the provider does not know", {
    delete: () => Promise.resolve({ kind: "not_found" }),
  }],
  ["a task that is not found after its delete", {
    delete: deleted,
    result: () => Promise.resolve({ kind: "not_found" }),
  }],
])("%s settles nothing: the attempt stays open, and its polls go on", async (_, provider) => {
  const { backend, line, asked } = fakeBackend({ kernel: telling, provider });
  expect(await cancel(backend, userId, jobId, line)).toMatchObject({ kind: "answered" });
  expect(asked("settle_generation")).toEqual([]);
});

test("a cancel is answered although what the provider said could not be settled", async () => {
  const { backend, line } = fakeBackend({
    kernel: { ...telling, settle_generation: () => Promise.reject(new Error("gone")) },
    provider: {
      delete: deleted,
      result: () => Promise.resolve({ kind: "prediction", prediction: predictionOf() }),
    },
  });
  expect(await cancel(backend, userId, jobId, line)).toMatchObject({ answer: { providerTold: true } });
});

test("a job that is not the caller's is refused, and nobody is told anything", async () => {
  const { backend, line } = fakeBackend({
    kernel: { cancel_generation: () => ({ ok: false, error: { code: "job_not_found" } }) },
  });
  expect(await cancel(backend, userId, jobId, line)).toEqual({
    kind: "refused",
    refusal: { ok: false, error: { code: "job_not_found" } },
  });
});
