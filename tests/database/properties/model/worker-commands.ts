// What the functions ask on their way from a claim to a stored picture.

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect } from "vitest";
import type { SubmissionOutcome } from "../../../../shared/backend/kernel.ts";
import { createScenario, tokenHash } from "../../scenario.ts";
import { send, settle, submit } from "./calls.ts";
import { at, command, pick, type Real } from "./command.ts";
import type { Model } from "./state.ts";
import { complete, leased, store } from "./storing.ts";
import { beginAttempt, claimed } from "./turns.ts";

const sent = (model: Model) => [...model.attempts.values()].filter(({ sendId }) => sendId !== null);

export const claims = command(
  "claim",
  fc.record({ limit: fc.integer({ min: 1, max: 4 }), sends: fc.nat({ max: 4 }) }),
  async (model, real, { limit, sends }) => {
    const expected = claimed(model, limit).map((job) => job.id);
    const { claims, skippedUserIds } = await real.db.kernel.claimGenerations(randomUUID(), limit);
    expect(claims.map(({ jobId }) => jobId)).toEqual(expected);
    expect(skippedUserIds).toEqual([]);
    for (const { attemptId, leaseToken, jobId } of claims) {
      beginAttempt(model, { id: attemptId, leaseToken, jobId });
    }
    for (const { attemptId } of claims.slice(0, sends)) await sendBoth(model, real, attemptId);
  },
);

async function sendBoth(model: Model, { db }: Real, attemptId: string): Promise<void> {
  const attempt = model.attempts.get(attemptId)!;
  const sendId = randomUUID();
  const mark = await db.kernel.markSending(attemptId, attempt.leaseToken, sendId, tokenHash);
  expect(mark).toMatchObject(send(model, attempt, sendId));
}

export const sends = command("send", fc.record({ pick }), async (model, real, { pick }) => {
  const attempt = at(model.attempts.values(), pick);
  if (attempt) await sendBoth(model, real, attempt.id);
});

const answers = [
  "accepted",
  "unknown",
  "bad_input",
  "not_sent",
  "provider_error",
  "rate_limited",
  "interrupted",
];
export const submits = command(
  "submit",
  fc.record({
    pick,
    as: fc.constantFrom("accepted", "accepted", ...answers),
    isSender: fc.boolean(),
  }),
  async (model, real, { pick, as, isSender }) => {
    const attempt = at(sent(model), pick);
    if (!attempt) return;
    // Now and then the one who was not told to go.
    const sendId = isSender || pick > 2 ? attempt.sendId! : randomUUID();
    const outcome: SubmissionOutcome = as === "accepted"
      ? { kind: "accepted", taskId: `task-${attempt.id}` }
      : as === "unknown"
      ? { kind: "unknown", cause: "timeout" }
      : { kind: "rejected", class: as };
    const expected = submit(model, attempt, sendId, as);
    expect(await real.db.kernel.recordSubmission(attempt.id, sendId, outcome)).toEqual(expected);
  },
);

export const settles = command(
  "settle",
  fc.record({
    pick,
    isNamed: fc.boolean(),
    status: fc.constantFrom("completed", "completed", "completed", "failed", "timeout", "processing"),
    outputs: fc.nat({ max: 4 }),
  }),
  async (model, real, { pick, isNamed, status, outputs }) => {
    const attempt = at(sent(model), pick);
    if (!attempt) return;
    const failure = status === "failed" ? "moderation" : status === "timeout" ? "timeout" : null;
    const expected = settle(model, attempt, isNamed, { status, outputs, class: failure });
    const answer = await real.db.kernel.settle(`task-${attempt.id}`, isNamed ? attempt.id : null, {
      status,
      outputs: Array.from(
        { length: status === "completed" ? outputs : 0 },
        (_, index) => `https://x/${index}`,
      ),
      flagged: [],
      class: failure,
    });
    expect(answer).toMatchObject(expected);
  },
);

export const leases = command("lease", fc.record({ pick }), async (model, real, { pick }) => {
  const delivered = [...model.attempts.values()].filter(({ closed }) => closed === "delivered");
  const attempt = at(delivered, pick);
  if (!attempt) return;
  const expected = leased(model, attempt);
  const { claims } = await real.db.kernel.claimPersists(randomUUID(), 1, attempt.id);
  expect(claims.map(({ images }) => images.map(({ index }) => index))).toEqual(expected ? [expected] : []);
  if (claims[0]) attempt.persistLease = claims[0].leaseToken;
  real.leases.push(...claims);
});

export const stores = command(
  "store",
  fc.record({ pick, pictures: fc.integer({ min: 1, max: 3 }) }),
  async (model, real, { pick, pictures }) => {
    const lease = at(real.leases, pick);
    for (const { index } of lease?.images.slice(0, pictures) ?? []) {
      const expected = store(model.jobs.get(lease!.jobId)!, lease!.leaseToken, index);
      expect(await createScenario(real.db).store(lease!, index)).toEqual(expected);
    }
  },
);

export const completes = command(
  "complete",
  fc.record({ pick, isPermanent: fc.boolean() }),
  async (model, real, { pick, isPermanent }) => {
    const lease = at(real.leases, pick);
    if (!lease) return;
    const attempt = model.attempts.get(lease.attemptId)!;
    const expected = complete(model, attempt, lease.leaseToken, isPermanent);
    const failures = lease.images.map(({ index }) => ({ index, permanent: isPermanent }));
    expect(await real.db.kernel.complete(lease.attemptId, lease.leaseToken, failures)).toMatchObject(
      expected,
    );
  },
);
