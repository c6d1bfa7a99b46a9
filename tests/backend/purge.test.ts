// Objects on their way out: removed through the Storage API, then noted, a bucket at a time.

import { expect, test } from "vitest";
import { purgeDue } from "../../shared/backend/purge.ts";
import { attemptId, fakeBackend, jobId, otherAttemptId } from "./fake-backend.ts";

const purges = [
  { id: attemptId, bucketId: "generations", path: "u/j/0-a" },
  { id: otherAttemptId, bucketId: "generation-inputs", path: "u/in.png" },
  { id: jobId, bucketId: "generations", path: "u/j/1-a" },
];
const claimed = { claim_purges: () => ({ purges }) };

test("objects are removed bucket by bucket, and noted only after", async () => {
  const order: unknown[] = [];
  const { backend, asked } = fakeBackend({
    kernel: {
      ...claimed,
      record_purge: ({ p_removed }) => {
        order.push(p_removed);
        return null;
      },
    },
    store: {
      remove: (bucket, paths) => {
        order.push([bucket, paths]);
        return Promise.resolve();
      },
    },
  });
  expect(await purgeDue(backend, 100)).toBe(3);
  expect(order).toEqual([
    ["generations", ["u/j/0-a", "u/j/1-a"]],
    { ids: [attemptId, jobId] },
    ["generation-inputs", ["u/in.png"]],
    { ids: [otherAttemptId] },
  ]);
  expect(asked("record_purge")[0]?.["p_claim_id"]).toBe(asked("claim_purges")[0]?.["p_claim_id"]);
});

test("a bucket that fails is noted as nothing, and holds no other bucket up", async () => {
  const { backend, asked } = fakeBackend({
    kernel: claimed,
    store: {
      remove: (bucket) => bucket === "generations" ? Promise.reject(new Error("down")) : Promise.resolve(),
    },
  });
  await expect(purgeDue(backend, 100)).rejects.toThrow("down");
  expect(asked("record_purge")).toMatchObject([{ p_removed: { ids: [otherAttemptId] } }]);
});

test("with nothing due, nothing is removed", async () => {
  const { backend, calls } = fakeBackend();
  expect(await purgeDue(backend, 100)).toBe(0);
  expect(calls).toHaveLength(1);
});
