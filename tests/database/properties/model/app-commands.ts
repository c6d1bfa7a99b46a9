// What an app and whoever grants credits can ask.

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect } from "vitest";
import type { Row } from "../../database.ts";
import { startArguments } from "../../scenario.ts";
import { type Asked, begin, cancel, grant, start } from "./calls.ts";
import { at, command, pick, type Real, userAt } from "./command.ts";
import { hasEnded, type Model } from "./state.ts";

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

export const starts = command(
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

export const replays = command(
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

export const retries = command("retry", fc.record({ pick }), async (model, real, { pick }) => {
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

export const cancels = command("cancel", fc.record({ pick }), async (model, real, { pick }) => {
  const job = at(model.jobs.values(), pick);
  if (job) expect(await real.db.kernel.cancel(job.userId, job.id)).toMatchObject(cancel(model, job));
});

export const grants = command(
  "grant",
  fc.record({ user: pick, reference: fc.nat({ max: 2 }) }),
  async (model, real, { user, reference }) => {
    const { id } = userAt(model, user);
    const expected = grant(model.users.get(id)!, 4 + reference, `payment-${reference}`);
    const call = { p_user_id: id, p_credits: 4 + reference, p_reference: `payment-${reference}` };
    expect(await real.db.rpc("grant_credits", call)).toMatchObject(expected);
  },
);
