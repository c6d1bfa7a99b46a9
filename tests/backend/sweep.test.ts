// The sweep function's round: every step has its turn, whatever becomes of the others.

import { expect, test } from "vitest";
import { sweep } from "../../shared/backend/mod.ts";
import { acceptedAs, claimOf, persistOf } from "./claims.ts";
import { attemptId, fakeBackend, oneAfterAnother, startMs } from "./fake-backend.ts";

const stepOf: Record<string, string> = {
  claim_polls: "polls",
  http_work_due: "balance",
  claim_generations: "submits",
  claim_persists: "persists",
  claim_purges: "purges",
};

/** The step whose line tells of its failure. */
const lineOf: Record<string, string> = { ...stepOf, claim_generations: "dispatch" };

test("with nothing due, each step looks once, and the round is recorded", async () => {
  const { backend, calls, asked } = fakeBackend();
  const counts = { persists: 0, polls: 0, submits: 0, purges: 0, balance: 0 };
  expect(await sweep(backend)).toEqual({ counts, errors: 0 });
  expect(calls.map(({ name }) => name)).toEqual([...Object.keys(stepOf), "record_sweep"]);
  expect(asked("record_sweep")).toEqual([{
    p_sweep: { startedAt: new Date(startMs).toISOString(), counts, errors: 0 },
  }]);
});

test.each(Object.keys(stepOf))("a failing %s stops no other step and is counted", async (failing) => {
  const { backend, calls, asked, logged } = fakeBackend({
    kernel: {
      [failing]: () => {
        throw new Error("a prompt may stand here");
      },
    },
  });
  const { errors } = await sweep(backend);
  expect(errors).toBe(1);
  expect(new Set(calls.map(({ name }) => name))).toEqual(new Set([...Object.keys(stepOf), "record_sweep"]));
  expect(asked("record_sweep")[0]?.["p_sweep"]).toMatchObject({ errors: 1 });
  expect(logged.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ kind: "step", step: lineOf[failing], outcome: "failed", error: "Error" }),
  );
  expect(logged.join()).not.toContain("prompt");
});

test("a step goes on while it finds as much as it asks for", async () => {
  const { backend } = fakeBackend({
    kernel: {
      claim_persists: oneAfterAnother<unknown>(
        { claims: [persistOf({ images: [] })] },
        { claims: [persistOf({ images: [] })] },
        { claims: [] },
      ),
      claim_purges: oneAfterAnother<unknown>(
        {
          purges: Array.from(
            { length: 100 },
            (_, i) => ({ id: attemptId, bucketId: "generations", path: `p${i}` }),
          ),
        },
        { purges: [{ id: attemptId, bucketId: "generations", path: "p" }] },
      ),
    },
    store: { remove: () => Promise.resolve() },
  });
  expect((await sweep(backend)).counts).toMatchObject({ persists: 2, purges: 101 });
});

test("no step begins once the time is spent, and what was done is still recorded", async () => {
  const fake = fakeBackend({
    kernel: {
      claim_persists: () => {
        fake.advance(45_000);
        return { claims: [persistOf({ images: [] })] };
      },
    },
  });
  expect(await sweep(fake.backend)).toEqual({
    counts: { persists: 2, polls: 0, submits: 0, purges: 0, balance: 0 },
    errors: 0,
  });
  expect(fake.calls.map(({ name }) => name).filter((name) => name.startsWith("claim"))).toEqual([
    "claim_polls",
    "claim_generations",
    "claim_persists",
    "claim_generations",
    "claim_persists",
  ]);
  expect(fake.asked("record_sweep")).toHaveLength(1);
});

test("ready jobs are submitted in the round, and dispatched once", async () => {
  const { backend, asked } = fakeBackend({
    kernel: {
      claim_generations: oneAfterAnother({ claims: [claimOf()], skippedUserIds: [] }, {
        claims: [],
        skippedUserIds: [],
      }),
    },
    provider: { submit: () => Promise.resolve(acceptedAs("task-1")) },
  });
  expect((await sweep(backend)).counts).toMatchObject({ submits: 1 });
  expect(asked("claim_generations")).toHaveLength(2);
});

test("a raised cap is used to its end in one round, though a dispatch submits only so many", async () => {
  let waiting = 250;
  const { backend } = fakeBackend({
    kernel: {
      claim_generations: () => {
        const claims = Array.from({ length: Math.min(10, waiting) }, () => claimOf());
        waiting -= claims.length;
        return { claims, skippedUserIds: [] };
      },
    },
    provider: { submit: () => Promise.resolve(acceptedAs("task-1")) },
  });
  expect((await sweep(backend)).counts).toMatchObject({ submits: 250 });
  expect(waiting).toBe(0);
});

const balanceDue = { http_work_due: () => ({ balance: 1 }) };
test("the provider's balance is asked for when it is due, and noted", async () => {
  const { backend, asked } = fakeBackend({
    kernel: balanceDue,
    provider: { balance: () => Promise.resolve({ kind: "ok", value: { balanceUsd: 12.5 } }) },
  });
  expect((await sweep(backend)).counts).toMatchObject({ balance: 1 });
  expect(asked("record_provider_balance")).toEqual([{ p_balance_usd: 12.5 }]);
});

test("a balance that could not be read is not noted", async () => {
  const { backend, asked } = fakeBackend({
    kernel: balanceDue,
    provider: { balance: () => Promise.resolve({ kind: "rate_limited" }) },
  });
  expect((await sweep(backend)).counts).toMatchObject({ balance: 0 });
  expect(asked("record_provider_balance")).toEqual([]);
});
