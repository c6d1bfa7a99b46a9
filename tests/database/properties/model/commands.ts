// One command each for what can be asked of the kernel: done to the kernel and to the model, and both must answer alike.

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect } from "vitest";
import type { Persist, SubmissionOutcome } from "../../../../shared/backend/kernel.ts";
import type { Row, TestDatabase } from "../../database.ts";
import { createScenario, startArguments, tokenHash } from "../../scenario.ts";
import {
  type Asked,
  begin,
  cancel,
  complete,
  grant,
  leased,
  send,
  settle,
  start,
  store,
  submit,
  sweep,
} from "./calls.ts";
import { hasEnded, type Model } from "./state.ts";
import { beginAttempt, claimed } from "./turns.ts";
import { expectAlike } from "./compare.ts";

/** The kernel's side. Leases are kept here, for their tokens are the kernel's. */
export interface Real {
  db: TestDatabase;
  leases: Persist[];
}
type Act<Choice> = (model: Model, real: Real, choice: Choice) => Promise<unknown>;
export type Command = fc.AsyncCommand<Model, Real>;

function command<Choice>(
  name: string,
  choices: fc.Arbitrary<Choice>,
  act: Act<Choice>,
): fc.Arbitrary<Command> {
  return choices.map((choice) => ({
    check: () => true,
    async run(model, real) {
      await act(model, real, choice);
      await expectAlike(model, real.db);
    },
    toString: () => `${name} ${JSON.stringify(choice)}`,
  }));
}

const pick = fc.nat({ max: 12 });
/** Counted from the newest. */
const at = <Item>(items: Iterable<Item>, pick: number): Item | undefined => {
  const all = [...items];
  return all[all.length - 1 - pick % all.length];
};
const sent = (model: Model) => [...model.attempts.values()].filter(({ sendId }) => sendId !== null);
const userAt = (model: Model, pick: number) => at(model.users.values(), pick)!;

async function startBoth(model: Model, { db }: Real, asked: Asked, more: Row, hash = "a"): Promise<void> {
  const expected = start(model, asked);
  const answer = await db.kernel.start({
    ...startArguments(asked.userId, more),
    idempotencyKey: asked.key,
    requestHash: hash.repeat(64),
  });
  if (!expected.ok) {
    const { ok, ...error } = expected;
    return expect(answer).toMatchObject({ ok, error });
  }
  if (!answer.ok) throw new Error(`the kernel refused with ${answer.error.code}`);
  expect(answer.replay).toBe(expected.replay);
  if (!expected.replay) begin(model, answer.job.id, asked);
  expect(answer.account.balance).toBe(model.users.get(asked.userId)!.balance);
}

const starts = command(
  "start",
  fc.record({
    user: pick,
    modelId: fc.constantFrom("flux-schnell", "flux-dev"),
    images: fc.integer({ min: 1, max: 3 }),
  }),
  (model, real, { user, modelId, images }) => {
    const asked = { userId: userAt(model, user).id, key: randomUUID(), modelId, images };
    return startBoth(model, real, asked, { modelId, numImages: images });
  },
);

const replays = command(
  "start with a key again",
  fc.record({ pick, isSameRequest: fc.boolean() }),
  async (model, real, { pick, isSameRequest }) => {
    const job = at(model.jobs.values(), pick);
    if (!job) return;
    if (isSameRequest) return startBoth(model, real, job, {});
    const other = { ...startArguments(job.userId), idempotencyKey: job.key, requestHash: "b".repeat(64) };
    expect(await real.db.kernel.start(other)).toMatchObject({ error: { code: "idempotency_key_reused" } });
  },
);

const retries = command("retry", fc.record({ pick }), async (model, real, { pick }) => {
  const job = at(model.jobs.values(), pick);
  if (!job) return;
  const asked = { userId: job.userId, key: randomUUID(), modelId: job.modelId, images: job.images };
  if (hasEnded(job)) {
    await startBoth(model, real, asked, {
      modelId: undefined,
      prompt: undefined,
      aspectRatio: undefined,
      retryOf: job.id,
    });
  } else {
    const answer = await real.db.kernel.start({
      ...startArguments(job.userId),
      request: { retryOf: job.id },
    });
    expect(answer).toMatchObject({ ok: false, error: { code: "retry_not_possible" } });
  }
});

const claims = command(
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

const sends = command("send", fc.record({ pick }), async (model, real, { pick }) => {
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
const submits = command(
  "submit",
  fc.record({
    pick,
    as: fc.constantFrom("accepted", "accepted", "accepted", ...answers),
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

const settles = command(
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

const leases = command("lease", fc.record({ pick }), async (model, real, { pick }) => {
  const delivered = [...model.attempts.values()].filter(({ closed }) => closed === "delivered");
  const attempt = at(delivered, pick);
  if (!attempt) return;
  const expected = leased(model, attempt);
  const { claims } = await real.db.kernel.claimPersists(randomUUID(), 1, attempt.id);
  expect(claims.map(({ images }) => images.map(({ index }) => index))).toEqual(expected ? [expected] : []);
  if (claims[0]) attempt.persistLease = claims[0].leaseToken;
  real.leases.push(...claims);
});

const stores = command(
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

const completes = command(
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

const cancels = command("cancel", fc.record({ pick }), async (model, real, { pick }) => {
  const job = at(model.jobs.values(), pick);
  if (job) expect(await real.db.kernel.cancel(job.userId, job.id)).toMatchObject(cancel(model, job));
});

const grants = command(
  "grant",
  fc.record({ user: pick, reference: fc.nat({ max: 2 }) }),
  async (model, real, { user, reference }) => {
    const { id } = userAt(model, user);
    const expected = grant(model.users.get(id)!, 4 + reference, `payment-${reference}`);
    const call = { p_user_id: id, p_credits: 4 + reference, p_reference: `payment-${reference}` };
    expect(await real.db.rpc("grant_credits", call)).toMatchObject(expected);
  },
);

const settings = command(
  "change settings",
  fc.record({
    userRunningCap: fc.nat({ max: 3 }),
    userPendingCap: fc.constantFrom(1, 4, 20),
    userStartBurst: fc.constantFrom(2, 20),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    isIntakePaused: fc.constantFrom(false, false, false, true),
  }, { requiredKeys: [] }),
  async (model, real, changed) => {
    Object.assign(model.settings, changed);
    const all = model.settings;
    await real.db.settings({
      user_running_cap: all.userRunningCap,
      user_pending_cap: all.userPendingCap,
      user_start_burst: all.userStartBurst,
      max_attempts: all.maxAttempts,
      intake_paused: all.isIntakePaused,
    });
  },
);

const providers = command(
  "change the provider",
  fc.record({ runningCap: fc.nat({ max: 4 }), startBurst: fc.constantFrom(2, 20) }),
  async (model, real, { runningCap, startBurst }) => {
    Object.assign(model.provider, { runningCap, startBurst });
    await real.db.provider({ running_cap: runningCap, start_burst: startBurst });
  },
);

const headStarts = { standard: 0, plus: 60, pro: 180 } as const;
const accounts = command(
  "change an account",
  fc.record({
    user: pick,
    runningCap: fc.option(fc.nat({ max: 3 })),
    pendingCap: fc.option(fc.integer({ min: 1, max: 6 })),
    priorityClass: fc.constantFrom("standard", "plus", "pro"),
  }),
  async (model, real, { user, runningCap, pendingCap, priorityClass }) => {
    const account = userAt(model, user);
    Object.assign(account, { runningCap, pendingCap, headStartSeconds: headStarts[priorityClass] });
    const values = { running_cap: runningCap, pending_cap: pendingCap, priority_class: priorityClass };
    await real.db.account(account.id, values);
  },
);

const prices = command(
  "change a price",
  fc.record({
    modelId: fc.constantFrom("flux-schnell", "flux-dev"),
    credits: fc.integer({ min: 1, max: 3 }),
  }),
  async (model, real, { modelId, credits }) => {
    model.prices.set(modelId, credits);
    await real.db
      .sql`update public.generation_models set credits_per_image = ${credits} where id = ${modelId}`;
  },
);

const minutes = command(
  "wait",
  fc.record({
    minutes: fc.constantFrom(1, 1, 1, 1, 5, 5, 10, 30, 60, 180, 360, 1440),
    isSwept: fc.boolean(),
  }),
  async (model, real, { minutes, isSwept }) => {
    model.now += minutes * 60;
    await real.db.advance(minutes * 60);
    if (!isSwept) return;
    sweep(model);
    expect(await real.db.sweep()).toEqual([]);
  },
);

/** Weights by repetition: a job must get somewhere before the clock and the settings end it. */
const often = [starts, claims, submits, settles, leases, stores];
const sometimes = [completes, cancels, minutes, sends];
const seldom = [replays, retries, grants, settings, providers, accounts, prices];
export const anyCommand = [...often, ...often, ...often, ...often, ...sometimes, ...sometimes, ...seldom];
