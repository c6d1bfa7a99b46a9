// Results of known tasks, and the provider's list for submits without an answer.

import { expect, test } from "vitest";
import { pollAttempt, pollDue } from "../../shared/backend/poll.ts";
import type { NoAnswer, Prediction, Wavespeed } from "../../shared/wavespeed/mod.ts";
import { listingOf, predictionOf } from "./claims.ts";
import { attemptId, fakeBackend, oneAfterAnother, otherAttemptId, traceId } from "./fake-backend.ts";

const pollOf = (taskId: string) => ({ attemptId, taskId, traceId });
const claiming = (polls: unknown[], listings: unknown[] = []) => ({
  claim_polls: () => ({ polls, listings }),
});
const running = (id: string) => ({
  kind: "prediction" as const,
  prediction: predictionOf({ id, status: "processing", outputs: [] }),
});
const unavailable: NoAnswer = { kind: "unavailable", cause: "timeout", httpStatus: null, detail: "timeout" };
type ListAnswer = Awaited<ReturnType<Wavespeed["list"]>>;
const page = (items: Prediction[], unreadable = 0): ListAnswer => ({
  kind: "ok",
  value: { items, unreadable, total: null },
});

test("every polled task is settled with what the provider says of it", async () => {
  const { backend, asked } = fakeBackend({
    kernel: claiming([pollOf("task-1"), pollOf("task-2")]),
    provider: { result: (taskId) => Promise.resolve(running(taskId)) },
  });
  expect(await pollDue(backend, 10)).toBe(2);
  expect(asked("settle_generation")).toMatchObject([{ p_task_id: "task-1", p_attempt_id: null }, {
    p_task_id: "task-2",
  }]);
});

test("a poll of one attempt claims that one and no listing of others", async () => {
  const { backend, asked } = fakeBackend({
    kernel: claiming([pollOf("task-1")]),
    provider: { result: (taskId) => Promise.resolve(running(taskId)) },
  });
  await pollAttempt(backend, attemptId);
  expect(asked("claim_polls")).toMatchObject([{ p_limit: 1, p_attempt_id: attemptId }]);
  expect(asked("settle_generation")).toHaveLength(1);
});

test.each<NoAnswer>([{ kind: "not_found" }, unavailable])(
  "%o settles nothing, and the next task is asked for",
  async (answer) => {
    const asked: string[] = [];
    const fake = fakeBackend({
      kernel: claiming([pollOf("task-1"), pollOf("task-2")]),
      provider: {
        result: (taskId) => {
          asked.push(taskId);
          return Promise.resolve(answer);
        },
      },
    });
    await pollDue(fake.backend, 10);
    expect(asked).toEqual(["task-1", "task-2"]);
    expect(fake.asked("settle_generation")).toEqual([]);
  },
);

test("a rate limit ends the round of polls; the listings still have their turn", async () => {
  const asked: string[] = [];
  const { backend, calls } = fakeBackend({
    kernel: claiming([pollOf("task-1"), pollOf("task-2")], [listingOf()]),
    provider: {
      result: (taskId) => {
        asked.push(taskId);
        return Promise.resolve({ kind: "rate_limited" });
      },
      list: () => Promise.resolve(page([])),
    },
  });
  await pollDue(backend, 10);
  expect(asked).toEqual(["task-1"]);
  expect(calls.map(({ name }) => name)).toEqual(["claim_polls", "record_listing"]);
});

test("a task whose settling fails costs no other its turn, and the failure is told in the end", async () => {
  const fake = fakeBackend({
    kernel: {
      ...claiming([pollOf("task-1"), pollOf("task-2")], [listingOf()]),
      settle_generation: ({ p_task_id }) => {
        if (p_task_id === "task-1") throw new Error("poisoned");
        return { next: "wait" };
      },
    },
    provider: { result: (taskId) => Promise.resolve(running(taskId)), list: () => Promise.resolve(page([])) },
  });
  await expect(pollDue(fake.backend, 10)).rejects.toThrow("poisoned");
  expect(fake.asked("settle_generation")).toHaveLength(2);
  expect(fake.asked("record_listing")).toHaveLength(1);
});

/** Looks one unknown up in these pages; answers what was recorded. */
async function listed(pages: [ListAnswer, ...ListAnswer[]], listing = listingOf()) {
  const queries: unknown[] = [];
  const next = oneAfterAnother(...pages);
  const { backend, asked } = fakeBackend({
    kernel: claiming([], [listing]),
    provider: {
      list: (query) => {
        queries.push(query);
        return Promise.resolve(next());
      },
    },
  });
  expect(await pollDue(backend, 10)).toBe(1);
  const recorded = asked("record_listing");
  expect(recorded).toHaveLength(1);
  return {
    queries,
    attempt: recorded[0]?.["p_attempt_id"],
    claimId: asked("claim_polls")[0]?.["p_claim_id"],
    recorded: recorded[0]?.["p_listing"],
  };
}

test("the list is read page by page until one is empty, and then it is complete", async () => {
  const full = page([predictionOf({ id: "a" }), predictionOf({ id: "b" })]);
  const { queries, recorded, claimId, attempt } = await listed([
    full,
    page([predictionOf({ id: "c" })]),
    page([]),
  ]);
  const asked = {
    modelId: "wavespeed-ai/flux-schnell",
    createdAfter: "2026-11-22T11:00:00+00:00",
    createdBefore: "2026-11-22T11:03:00+00:00",
    pageSize: 100,
  };
  expect(queries).toEqual([{ ...asked, page: 1 }, { ...asked, page: 2 }, { ...asked, page: 3 }]);
  expect(attempt).toBe(attemptId);
  expect(recorded).toMatchObject({
    claimId,
    complete: true,
    predictions: [{ id: "a" }, { id: "b" }, { id: "c" }],
  });
});

test.each<[string, ListAnswer]>([
  ["an entry that cannot be read", page([predictionOf({ id: "b" })], 1)],
  ["a provider that is unavailable", unavailable],
  ["a rate limit", { kind: "rate_limited" }],
  ["a list that is not found", { kind: "not_found" }],
])("%s leaves the list incomplete, with what was read before", async (_, answer) => {
  const { recorded } = await listed([page([predictionOf({ id: "a" })]), answer, page([])]);
  expect(recorded).toMatchObject({ complete: false, predictions: [{ id: "a" }] });
});

test("a list without end is given up as incomplete after fifty pages", async () => {
  const { queries, recorded } = await listed([page([predictionOf({ id: "a" })])]);
  expect(queries).toHaveLength(50);
  expect(recorded).toMatchObject({ complete: false });
});

const ours = { prompt: "a lighthouse at dusk", seed: 77 };
test.each<[string, Record<string, unknown> | undefined, Record<string, unknown>, boolean]>([
  ["prompt and seed", { ...ours, size: "1024*1024" }, {}, true],
  ["another seed", { ...ours, seed: 78 }, {}, false],
  ["the seed as a text", { ...ours, seed: "77" }, {}, false],
  ["another prompt", { ...ours, prompt: "a lighthouse at dawn" }, {}, false],
  ["no seed", { prompt: ours.prompt }, {}, false],
  ["no input at all", undefined, {}, false],
  ["the prompt, where we drew no seed", { prompt: ours.prompt, seed: null }, { seed: null }, false],
  ["the seed, where the prompt is erased", { prompt: null, seed: 77 }, { prompt: null }, false],
])("a prediction that echoes %s matches: %#", async (_, input, listing, matches) => {
  const { recorded } = await listed([page([predictionOf({ input })]), page([])], listingOf(listing));
  expect(recorded).toMatchObject({
    predictions: [{ id: "task-1", createdAt: "2026-11-22T11:01:00.000Z", matches }],
  });
});

test("a prediction without a time counts as inside the window", async () => {
  const { recorded } = await listed([page([predictionOf({ createdAt: null })]), page([])]);
  expect(recorded).toMatchObject({ predictions: [{ createdAt: "2026-11-22T11:00:00+00:00" }] });
});

test("the words that tell a prediction apart stay here: the kernel hears ids, times and verdicts", async () => {
  const { recorded } = await listed([page([predictionOf({ input: ours })]), page([])]);
  expect(JSON.stringify(recorded)).not.toContain("lighthouse");
});

test("each unknown of a claim is looked for by itself", async () => {
  const { backend, asked } = fakeBackend({
    kernel: claiming([], [listingOf(), listingOf({ attemptId: otherAttemptId })]),
    provider: { list: () => Promise.resolve(page([])) },
  });
  expect(await pollDue(backend, 10)).toBe(2);
  expect(asked("record_listing").map((args) => args["p_attempt_id"])).toEqual([attemptId, otherAttemptId]);
});
