// The two taps: what the kernel is asked, and what its answer becomes.

import { expect, test } from "vitest";
import { cancel, start } from "../../shared/backend/mod.ts";
import { hashRequest } from "../../shared/contract/mod.ts";
import { jobOf } from "../contract/samples.ts";
import { fakeBackend, jobId, traceId, userId } from "./fake-backend.ts";

const request = { modelId: "flux-schnell", prompt: "a lighthouse at dusk", aspectRatio: "1:1" };
const tap = { userId, idempotencyKey: "3f8e2c1a-7b6d-4e5f-9a0b-1c2d3e4f5a6b", request, traceId };
const shown = {
  job: jobOf(),
  account: { balance: 18, seq: 4 },
  queue: { position: 0, exact: true, etaSeconds: 4 },
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
    provider: { delete: () => Promise.resolve({ kind: "ok", value: { status: "deleted" } }) },
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

test("a job that is not the caller's is refused, and nobody is told anything", async () => {
  const { backend, line } = fakeBackend({
    kernel: { cancel_generation: () => ({ ok: false, error: { code: "job_not_found" } }) },
  });
  expect(await cancel(backend, userId, jobId, line)).toEqual({
    kind: "refused",
    refusal: { ok: false, error: { code: "job_not_found" } },
  });
});
