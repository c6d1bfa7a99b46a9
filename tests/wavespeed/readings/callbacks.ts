// How callbacks are signed, named, repeated, and for which ends they come.

import { expect } from "vitest";
import { parsePrediction, verifyWebhook } from "../../../shared/wavespeed/mod.ts";
import { ask, type Callback, type Provider, startHook, taskOf, until } from "../fake-provider.ts";
import { each, type Reading } from "./reading.ts";

/** The callback of a task that ended at once. */
async function calledBack({ submit, control }: Provider, statuses: number[] = []) {
  await control({ latencyMs: 0, failTasks: true });
  const hook = await startHook(statuses);
  const id = taskOf(await submit({}, { webhookUrl: hook.url }));
  const callback = await until(() => hook.callbacks[statuses.length] ?? null);
  return { id, callback, callbacks: hook.callbacks };
}

function verify({ fake }: Provider, callback: Callback) {
  return verifyWebhook({
    ...callback,
    secrets: [fake.webhookSecret],
    nowSeconds: Math.floor(Date.now() / 1000),
  });
}

const verdicts: Record<string, unknown> = {
  "v3": { valid: true },
  "v3-whole": { valid: false, reason: "mismatch" },
  "v1": { valid: false, reason: "malformed_signature" },
};

export const callbackReadings: readonly Reading[] = [
  ...each(
    "signature",
    "only the documented one settles; the others leave it to the poll",
    Object.keys(verdicts),
    async (provider, value) => {
      const { callback } = await calledBack(provider);
      expect(await verify(provider, callback)).toEqual(verdicts[String(value)]);
    },
  ),
  ...each("webhookId", "the task is known by the body, not by the header", ["prediction", "delivery"], async (
    provider,
    value,
  ) => {
    const { id, callback } = await calledBack(provider);
    expect(await verify(provider, callback)).toEqual({ valid: true });
    expect(parsePrediction(callback.body)).toMatchObject({ prediction: { id } });
    expect(callback.headers.get("webhook-id") === id).toBe(value === "prediction");
  }),
  ...each(
    "secretForm",
    "the secret is read",
    ["secret", "webhook_secret", "text", "bare"],
    async (provider, value) => {
      const { wavespeed, fake: { webhookSecret: secret } } = provider;
      expect(await wavespeed.webhookSecret()).toEqual({ kind: "ok", value: { secret } });
      const frame = { code: 200, message: "success" };
      const bodies: Record<string, unknown> = {
        secret: { ...frame, data: { secret } },
        webhook_secret: { ...frame, data: { webhook_secret: secret } },
        text: { ...frame, data: secret },
        bare: { secret },
      };
      expect((await ask(provider, "GET webhook/secret")).body).toEqual(bodies[String(value)]);
    },
  ),
  ...each("callbackEnds", "a task that was cancelled may call back, or not", ["documented", "all"], async (
    { submit, ended, control, journal },
    value,
  ) => {
    await control({ latencyMs: 0, endTasks: 1 });
    const hook = await startHook();
    const cancelled = await ended(await submit({}, { webhookUrl: hook.url }));
    await control({ failTasks: 1 });
    const failed = await ended(await submit({}, { webhookUrl: hook.url }));
    const expected = value === "all" ? [cancelled.id, failed.id] : [failed.id];
    await until(() => hook.callbacks.length === expected.length ? true : null);
    expect(hook.callbacks.map(({ headers }) => headers.get("webhook-id")).sort()).toEqual(expected.sort());
    const sent = (await journal()).predictions.map(({ callbacks }) => callbacks.sent);
    expect(sent).toEqual(value === "all" ? [1, 1] : [0, 1]);
  }),
  ...each("callbackRetries", "a refused callback is repeated so often", [0, 3], async (provider, value) => {
    const always = Array.from({ length: 9 }, () => 500);
    await provider.control({ callbackRetryMs: 1, latencyMs: 0, failTasks: true, callbackFirst: true });
    const hook = await startHook(always);
    await provider.submit({}, { webhookUrl: hook.url });
    expect(hook.callbacks).toHaveLength(Number(value) + 1);
    for (const callback of hook.callbacks) expect(await verify(provider, callback)).toEqual({ valid: true });
  }),
  ...each("callbackRetryMs", "the pauses between repetitions double", [60_000], async (provider) => {
    await provider.control({ latencyMs: 0, failTasks: true });
    const hook = await startHook([500, 500, 500]);
    await provider.submit({}, { webhookUrl: hook.url });
    const pauses: number[] = [];
    for (const known of [1, 2, 3]) {
      await until(() => hook.callbacks[known - 1] ?? null);
      const seconds = await until(async () => (await provider.journal()).dueInSeconds[0] ?? null);
      pauses.push(seconds);
      await provider.advance(seconds);
    }
    expect(pauses).toEqual([60, 120, 240]);
    await until(() => hook.callbacks[3] ?? null);
  }),
  ...each("callbackAnswerMs", "a callback that is answered too late comes again", [50], async (provider) => {
    await provider.control({ callbackRetryMs: 1, latencyMs: 0, failTasks: true });
    const hook = await startHook(["silent"]);
    const beganMs = performance.now();
    const id = taskOf(await provider.submit({}, { webhookUrl: hook.url }));
    await until(() => hook.callbacks[1] ?? null);
    // Well before the 5 s that hold otherwise.
    expect(performance.now() - beganMs).toBeLessThan(4000);
    expect(hook.callbacks.map(({ headers }) => headers.get("webhook-id"))).toEqual([id, id]);
  }),
];
