// A result on its way to the kernel, and what is done with the kernel's answer.

import { expect, test } from "vitest";
import { followUp, settle } from "../../shared/backend/settle.ts";
import { persistOf, predictionOf } from "./claims.ts";
import { attemptId, fakeBackend, jobId } from "./fake-backend.ts";

const next = (word: string) => () => ({ next: word, jobId, attemptId, status: "persisting" });

test("a delivered result is settled with its outputs, its flags and no failure class", async () => {
  const { backend, line, asked } = fakeBackend();
  await settle(backend, predictionOf({ flagged: [true] }), attemptId, line);
  expect(asked("settle_generation")).toEqual([{
    p_task_id: "task-1",
    p_attempt_id: attemptId,
    p_result: {
      status: "completed",
      outputs: ["https://cdn.example.com/0.png"],
      flagged: [true],
      class: null,
    },
  }]);
});

test.each([
  [predictionOf({ outputs: [] }), "completed", "no_outputs"],
  [predictionOf({ status: "failed", outputs: [], errorCode: 1200 }), "failed", "moderation"],
  [predictionOf({ status: "timeout", outputs: [] }), "timeout", "timeout"],
  [predictionOf({ status: "processing", outputs: [] }), "processing", null],
  [predictionOf({ status: "unknown_status", rawStatus: "pondering", outputs: [] }), "unknown_status", null],
])("a result's class is that of its failure: %o", async (prediction, status, failure) => {
  const { backend, line, asked } = fakeBackend();
  await settle(backend, prediction, null, line);
  expect(asked("settle_generation")[0]?.["p_result"]).toMatchObject({ status, class: failure });
});

test("an output's address reaches the database as a URL parser writes it", async () => {
  const { backend, line, asked } = fakeBackend();
  await settle(
    backend,
    predictionOf({ outputs: ["https://cdn.example.com/a\0b", "https://cdn.example.com/\ud800"] }),
    null,
    line,
  );
  const { outputs } = asked("settle_generation")[0]?.["p_result"] as { outputs: string[] };
  expect(outputs).toEqual(["https://cdn.example.com/a%00b", "https://cdn.example.com/%EF%BF%BD"]);
});

test.each([
  ["persist", ["claim_generations", "claim_persists", "complete_generation", "claim_generations"]],
  ["none", ["claim_generations"]],
  ["wait", []],
  ["unknown_task", []],
])("after %s comes %j", async (word, expected) => {
  const { backend, line, calls } = fakeBackend({
    kernel: {
      settle_generation: next(word),
      claim_persists: () => ({ claims: [persistOf({ images: [] })] }),
    },
  });
  const settled = await settle(backend, predictionOf(), null, line);
  const before = calls.length;
  await followUp(backend, settled);
  expect(calls.slice(before).map(({ name }) => name)).toEqual(expected);
});

test("what is stored is the attempt that the kernel named", async () => {
  const { backend, line, asked } = fakeBackend({ kernel: { settle_generation: next("persist") } });
  await followUp(backend, await settle(backend, predictionOf(), null, line));
  expect(asked("claim_persists")).toMatchObject([{ p_attempt_id: attemptId, p_limit: 1 }]);
});

test("a slot that a result has freed does not wait for the picture to be stored", async () => {
  let isStored = false;
  const { backend, line, calls } = fakeBackend({
    kernel: {
      settle_generation: next("persist"),
      claim_persists: () => ({ claims: [persistOf({ images: [] })] }),
      // Storing goes on until the freed slot has been used.
      complete_generation: async () => {
        await expect.poll(() => calls.some(({ name }) => name === "claim_generations")).toBe(true);
        isStored = true;
        return { status: "completed" };
      },
    },
  });
  await followUp(backend, await settle(backend, predictionOf(), null, line));
  expect(isStored).toBe(true);
  expect(calls.at(-1)?.name).toBe("claim_generations"); // the stored picture has freed its user's slot
});

test("a storing that fails is told, after the freed slots were handed on", async () => {
  const { backend, line, asked } = fakeBackend({
    kernel: {
      settle_generation: next("persist"),
      claim_persists: () => {
        throw new Error("no answer");
      },
    },
  });
  await expect(followUp(backend, await settle(backend, predictionOf(), null, line))).rejects.toThrow(
    "no answer",
  );
  expect(asked("claim_generations")).toHaveLength(2);
});

test("after a storing that took long nothing is claimed any more: the isolate could be ended in the middle of a submit", async () => {
  const fake = fakeBackend({
    kernel: {
      claim_persists: () => {
        fake.advance(100_000);
        return { claims: [] };
      },
    },
  });
  await followUp(fake.backend, { next: "persist", attemptId });
  expect(fake.asked("claim_generations")).toHaveLength(1);
});
