import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { parsePrediction, verifyWebhook } from "../../shared/wavespeed/mod.ts";
import { startHook, startProvider, until } from "./fake-provider.ts";
import { reply, startRawServer } from "./raw-server.ts";

describe("callbacks", () => {
  test("are signed, bare, and sent once when they are acknowledged", async () => {
    const { fake, make, journal } = await startProvider();
    const hook = await startHook();
    const prediction = await make({}, { webhookUrl: hook.url });
    const callback = await until(() => hook.callbacks[0] ?? null);
    const nowSeconds = Math.floor(Date.now() / 1000);
    expect(await verifyWebhook({ ...callback, secrets: [fake.webhookSecret], nowSeconds })).toEqual({
      valid: true,
    });
    expect(callback.headers.get("webhook-id")).toBe(prediction.id);
    expect(parsePrediction(callback.body)).toEqual({ kind: "prediction", prediction });
    expect((await journal()).predictions[0]?.callbacks).toEqual({ sent: 1, dropped: 0 });
    expect(hook.callbacks).toHaveLength(1);
  });

  test("are sent once for a failure too, signed like the others", async () => {
    const { fake, make, control, journal } = await startProvider();
    const hook = await startHook();
    await control({ failTasks: 1, failure: { code: 5000, message: "Internal error." } });
    const failed = await make({}, { webhookUrl: hook.url });
    const callback = await until(() => hook.callbacks[0] ?? null);
    expect(parsePrediction(callback.body)).toMatchObject({
      prediction: { id: failed.id, status: "failed", errorCode: 5000, error: "Internal error.", outputs: [] },
    });
    const nowSeconds = Math.floor(Date.now() / 1000);
    const { valid } = await verifyWebhook({ ...callback, secrets: [fake.webhookSecret], nowSeconds });
    expect(valid).toBe(true);
    expect((await journal()).predictions[0]?.callbacks).toEqual({ sent: 1, dropped: 0 });
    expect(hook.callbacks).toHaveLength(1);
  });

  test("are repeated with the same id until they are acknowledged, and no longer", async () => {
    const { make } = await startProvider({ settings: { callbackRetryMs: 20 } });
    const hook = await startHook([200, 500, 302]);
    const first = await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    const second = await make({}, { webhookUrl: hook.url });
    // A repetition of the first would be due before those of the second.
    await until(() => hook.callbacks[3] ?? null);
    const ids = hook.callbacks.map(({ headers }) => headers.get("webhook-id"));
    expect(ids).toEqual([first.id, second.id, second.id, second.id]);
  });

  test("are not sent for a task that was deleted while it was being made", async () => {
    const { wavespeed, submit, make } = await startProvider({ settings: { oldDelete: "stops" } });
    const hook = await startHook();
    const held: Socket[] = [];
    const slow = await startRawServer((socket) => held.push(socket));
    onTestFinished(() => slow.close());
    const more = { modelId: "google/nano-banana/edit", webhookUrl: hook.url };
    const submission = await submit({ images: [slow.url] }, more);
    if (submission.kind !== "accepted") throw new Error(submission.kind);
    const socket = await until(() => held[0] ?? null);
    await wavespeed.delete(submission.taskId);
    socket.end(reply(404, ""));
    const other = await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    expect(hook.callbacks.map(({ headers }) => headers.get("webhook-id"))).toEqual([other.id]);
    expect(await wavespeed.result(submission.taskId)).toMatchObject({ prediction: { status: "deleted" } });
  });

  test("are not sent for a task that a reset forgot while it was being made", async () => {
    const { control, journal, submit, make } = await startProvider();
    const hook = await startHook();
    const held: Socket[] = [];
    const slow = await startRawServer((socket) => held.push(socket));
    onTestFinished(() => slow.close());
    const more = { modelId: "google/nano-banana/edit", webhookUrl: hook.url };
    await submit({ images: [slow.url] }, more);
    const socket = await until(() => held[0] ?? null);
    await control({}, "/reset");
    await control({ latencyMs: 0 });
    socket.end(reply(404, ""));
    const other = await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    expect(hook.callbacks.map(({ headers }) => headers.get("webhook-id"))).toEqual([other.id]);
    expect((await journal()).predictions.map(({ id }) => id)).toEqual([other.id]);
  });

  test("can be dropped a number of times, and sent again on demand", async () => {
    const { make, control, journal } = await startProvider();
    const hook = await startHook();
    await control({ dropCallbacks: 1 });
    const lost = await make({}, { webhookUrl: hook.url });
    await until(async () => (await journal()).predictions[0]?.callbacks.dropped === 1 ? true : null);
    const told = await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    expect(hook.callbacks.map(({ headers }) => headers.get("webhook-id"))).toEqual([told.id]);
    expect((await control({ id: lost.id }, "/redeliver")).status).toBe(200);
    const again = await until(() => hook.callbacks[1] ?? null);
    expect(again.headers.get("webhook-id")).toBe(lost.id);
  });

  test("can be dropped for as long as told", async () => {
    const { make, control, journal } = await startProvider();
    const hook = await startHook();
    await control({ dropCallbacks: true });
    for (let dropped = 0; dropped < 3; dropped++) await make({}, { webhookUrl: hook.url });
    const counts = async () => (await journal()).predictions.map(({ callbacks }) => callbacks);
    await expect.poll(counts, { timeout: 10_000 }).toEqual(
      Array.from({ length: 3 }, () => ({ sent: 0, dropped: 1 })),
    );
    await control({ dropCallbacks: false });
    const told = await make({}, { webhookUrl: hook.url });
    const callback = await until(() => hook.callbacks[0] ?? null);
    expect(callback.headers.get("webhook-id")).toBe(told.id);
  });

  test("can carry a signature that does not verify", async () => {
    const { fake, make, control } = await startProvider();
    const hook = await startHook();
    await control({ badSignatures: 1 });
    await make({}, { webhookUrl: hook.url });
    const callback = await until(() => hook.callbacks[0] ?? null);
    const nowSeconds = Math.floor(Date.now() / 1000);
    expect(await verifyWebhook({ ...callback, secrets: [fake.webhookSecret], nowSeconds }))
      .toEqual({ valid: false, reason: "mismatch" });
  });

  test("are not repeated for a task that has not ended, is unknown, was deleted or never asked for one", async () => {
    const { wavespeed, make, submit, control } = await startProvider();
    const unasked = await make();
    expect((await control({ id: unasked.id }, "/redeliver")).status).toBe(409);
    await wavespeed.delete(unasked.id);
    expect((await control({ id: unasked.id }, "/redeliver")).status).toBe(404);
    await control({ latencyMs: 60_000, callbackEnds: "all" });
    const submission = await submit({}, { webhookUrl: "http://127.0.0.1/" });
    if (submission.kind !== "accepted") throw new Error(submission.kind);
    expect((await control({ id: submission.taskId }, "/redeliver")).status).toBe(409);
    expect((await control({ id: "none" }, "/redeliver")).status).toBe(404);
  });
});
