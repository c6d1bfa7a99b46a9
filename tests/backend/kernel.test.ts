// How the backend asks the kernel: once more if the answer was lost, never otherwise, and only in the agreed shape.

import { expect, test, vi } from "vitest";
import { createKernel, KernelError, type Rpc } from "../../shared/backend/mod.ts";
import { claimOf } from "./claims.ts";
import { attemptId, leaseToken, userId } from "./fake-backend.ts";

const lost = new KernelError("settle_generation", "http_503", true);
const settled = { status: "completed", outputs: [], flagged: [], class: null };

function asking(...answers: unknown[]) {
  const rpc = vi.fn<Rpc>(() => {
    const answer = answers.shift();
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  });
  return { rpc, kernel: createKernel(rpc) };
}

test("an answer that was lost on the way is asked for once more, with the same arguments", async () => {
  const { rpc, kernel } = asking(lost, { next: "none" });
  expect(await kernel.settle("task-1", attemptId, settled)).toEqual({ next: "none" });
  expect(rpc.mock.calls).toHaveLength(2);
  expect(rpc.mock.calls[1]).toEqual(rpc.mock.calls[0]);
  expect(rpc.mock.calls[0]).toEqual(["settle_generation", {
    p_task_id: "task-1",
    p_attempt_id: attemptId,
    p_result: settled,
  }]);
});

test("an answer that is lost twice is given up", async () => {
  const { rpc, kernel } = asking(lost, lost, { next: "none" });
  await expect(kernel.settle("task-1", null, settled)).rejects.toBe(lost);
  expect(rpc).toHaveBeenCalledTimes(2);
});

test.each([
  ["the database's refusal", new KernelError("settle_generation", "42501", false)],
  ["anything unforeseen", new TypeError("x is not a function")],
])("%s is not asked about again", async (_, error) => {
  const { rpc, kernel } = asking(error, { next: "none" });
  await expect(kernel.settle("task-1", null, settled)).rejects.toBe(error);
  expect(rpc).toHaveBeenCalledTimes(1);
});

test("an answer of another shape is an error that names the call and quotes nothing", async () => {
  const { rpc, kernel } = asking({ next: "a prompt that must not be told" });
  const refused = await kernel.settle("task-1", null, settled).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(KernelError);
  expect(refused).toMatchObject({
    message: "settle_generation failed with unexpected_answer",
    code: "unexpected_answer",
    isTransport: false,
  });
  expect(rpc).toHaveBeenCalledTimes(1);
});

test.each<[string, (kernel: ReturnType<typeof createKernel>) => Promise<unknown>]>([
  ["claim_generations", (kernel) => kernel.claimGenerations("c", 1)],
  ["mark_sending", (kernel) => kernel.markSending(attemptId, leaseToken, "s", "h")],
  [
    "record_submission",
    (kernel) => kernel.recordSubmission(attemptId, "s", { kind: "unknown", cause: "timeout" }),
  ],
  [
    "record_listing",
    (kernel) => kernel.recordListing(attemptId, { claimId: "c", predictions: [], complete: true }),
  ],
  ["note_callback", (kernel) => kernel.noteCallback(attemptId, "h")],
  ["claim_persists", (kernel) => kernel.claimPersists("c", 1)],
  ["complete_generation", (kernel) => kernel.complete(attemptId, leaseToken, [])],
  ["claim_polls", (kernel) => kernel.claimPolls("c", 1)],
  ["claim_thumbnails", (kernel) => kernel.claimThumbnails("c", 1)],
  ["record_thumbnail", (kernel) => kernel.recordThumbnail(attemptId, { failure: "undecodable" })],
  ["claim_purges", (kernel) => kernel.claimPurges("c", 1)],
  ["http_work_due", (kernel) => kernel.workDue()],
  ["cancel_generation", (kernel) => kernel.cancel(userId, attemptId)],
])("%s must answer in its shape", async (name, ask) => {
  for (const answer of [null, undefined, "text", [], { something: { else: true } }]) {
    const { kernel } = asking(answer);
    await expect(ask(kernel), `${JSON.stringify(answer)}`).rejects.toMatchObject({
      code: "unexpected_answer",
      message: `${name} failed with unexpected_answer`,
    });
  }
});

test("a claim is read with whatever else SQL says of it", async () => {
  const { kernel } = asking({ claims: [claimOf({ userId, somethingNew: 1 })], skippedUserIds: [userId] });
  const { claims, skippedUserIds } = await kernel.claimGenerations("c", 1);
  expect(claims[0]).toMatchObject({ attemptId, prompt: "a lighthouse at dusk", submitDeadlineSeconds: 30 });
  expect(skippedUserIds).toEqual([userId]);
});

// Cause: jsonb_agg over no row is null, and with every model disabled a start was answered with an internal error.
test("a refusal that allows nothing is a refusal", async () => {
  const { kernel } = asking({
    ok: false,
    error: { code: "unknown_model", fields: ["modelId"], allowed: null },
  });
  const request = { userId, idempotencyKey: "k", requestHash: "h", request: {}, traceId: "t" };
  expect(await kernel.start(request)).toEqual({
    ok: false,
    error: { code: "unknown_model", fields: ["modelId"], allowed: [] },
  });
});
