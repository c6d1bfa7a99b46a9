// The sweep function's round: every step has its turn, whatever becomes of the others.

import { expect, test } from "vitest";
import { sweep } from "../../shared/backend/mod.ts";
import { acceptedAs, claimOf, persistOf } from "./claims.ts";
import { attemptId, fakeBackend, oneAfterAnother, startMs } from "./fake-backend.ts";

/** What each step asks the kernel, in their order. */
const questions = [
  ["polls", "claim_polls"],
  ["balance", "http_work_due"],
  ["submits", "claim_generations"],
  ["thumbnails", "http_work_due"],
  ["persists", "claim_persists"],
  ["purges", "claim_purges"],
] as const;
const asking = questions.map(([, question]) => question);

/** The step whose line tells of its failure. */
const lineOf = (step: string) => step === "submits" ? "dispatch" : step;

test("with nothing due, each step looks once, and the round is recorded", async () => {
  const { backend, calls, asked } = fakeBackend();
  const counts = { persists: 0, polls: 0, submits: 0, thumbnails: 0, purges: 0, balance: 0 };
  expect(await sweep(backend)).toEqual({ counts, errors: 0 });
  expect(calls.map(({ name }) => name)).toEqual([...asking, "record_sweep"]);
  expect(asked("record_sweep")).toEqual([{
    p_sweep: { startedAt: new Date(startMs).toISOString(), counts, errors: 0 },
  }]);
});

test.each([...new Set(asking)])("a failing %s stops no other step and is counted", async (failing) => {
  const { backend, calls, asked, logged } = fakeBackend({
    kernel: {
      [failing]: () => {
        throw new Error("a prompt may stand here");
      },
    },
  });
  const failed = questions.filter(([, question]) => question === failing).map(([step]) => step);
  const { errors } = await sweep(backend);
  expect(errors).toBe(failed.length);
  expect(new Set(calls.map(({ name }) => name))).toEqual(new Set([...asking, "record_sweep"]));
  expect(asked("record_sweep")[0]?.["p_sweep"]).toMatchObject({ errors });
  for (const step of failed) {
    expect(logged.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ kind: "step", step: lineOf(step), outcome: "failed", error: "Error" }),
    );
  }
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
    counts: { persists: 2, polls: 0, submits: 0, thumbnails: 0, purges: 0, balance: 0 },
    errors: 0,
  });
  expect(fake.calls.map(({ name }) => name).filter((name) => name.startsWith("claim"))).toEqual([
    "claim_polls",
    "claim_generations",
    "claim_persists",
    "claim_generations",
    "claim_purges",
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

test.each([[0, []], [1, [1]], [100, [4]]])(
  "of %i pictures without their thumbnail a round wakes for %j",
  async (thumbnails, woken) => {
    const wakes: number[] = [];
    const { backend } = fakeBackend({
      kernel: { http_work_due: () => ({ thumbnails }) },
      wakeThumbnails: (pictures) => void wakes.push(pictures),
    });
    expect((await sweep(backend)).counts).toMatchObject({ thumbnails: woken[0] ?? 0 });
    expect(wakes).toEqual(woken);
  },
);

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

test("a backlog of ready jobs keeps neither the storing nor the purges from their share of the time", async () => {
  const fake = fakeBackend({
    kernel: {
      claim_generations: () => {
        fake.advance(500);
        return { claims: Array.from({ length: 10 }, () => claimOf()), skippedUserIds: [] };
      },
      mark_sending: () => ({ go: false, reason: "lease_lost" }),
      claim_persists: () => ({ claims: [persistOf({ images: [] })] }),
    },
  });
  const { counts } = await sweep(fake.backend);
  expect(counts["submits"]).toBeGreaterThan(500);
  expect(counts["persists"]).toBeGreaterThan(2);
  expect(fake.asked("claim_purges").length).toBeGreaterThan(0);
});

test("a backlog of pictures is stored a few jobs a sweep, within the CPU time of its process", async () => {
  const { backend, asked } = fakeBackend({
    kernel: { claim_persists: () => ({ claims: [persistOf({ images: [] })] }) },
  });
  expect((await sweep(backend)).counts).toMatchObject({ persists: 10 });
  expect(asked("claim_persists")).toHaveLength(10);
});

test("a dispatch that fails after a picture was stored does not end the storing", async () => {
  const { backend } = fakeBackend({
    kernel: {
      claim_generations: () => {
        throw new Error("the provider's row is held");
      },
      claim_persists: oneAfterAnother<unknown>(
        { claims: [persistOf({ images: [] })] },
        { claims: [persistOf({ images: [] })] },
        { claims: [] },
      ),
    },
  });
  expect(await sweep(backend)).toMatchObject({ counts: { persists: 2 }, errors: 1 });
});
