import { describe, expect, test } from "vitest";
import { verifyWebhook } from "../../shared/wavespeed/mod.ts";
import { type Callback, startHook, startProvider, taskOf, until } from "./fake-provider.ts";

/** A stand-in whose tasks fail at once, and an endpoint that hears of it. */
async function startCalling(settings: Record<string, unknown> = {}) {
  const provider = await startProvider();
  await provider.control({ failTasks: true, ...settings });
  const hook = await startHook();
  const submit = async () => taskOf(await provider.submit({}, { webhookUrl: hook.url }));
  const heard = () => hook.callbacks.map(({ headers }) => headers.get("webhook-id"));
  return { ...provider, hook, submit, heard };
}

function verify(callback: Callback | undefined, secrets: string[]) {
  if (callback === undefined) throw new Error("no callback");
  return verifyWebhook({ ...callback, secrets, nowSeconds: Math.floor(Date.now() / 1000) });
}

describe("callbacks can", () => {
  test("come twice, alike to the byte", async () => {
    const { hook, submit, heard, journal } = await startCalling({ duplicateCallbacks: 1 });
    const id = await submit();
    await until(() => hook.callbacks[1] ?? null);
    const other = await submit();
    await until(() => hook.callbacks[2] ?? null);
    expect(heard()).toEqual([id, id, other]);
    expect(Buffer.compare(hook.callbacks[0]?.body ?? Buffer.of(0), hook.callbacks[1]?.body ?? Buffer.of(1)))
      .toBe(0);
    expect((await journal()).predictions.map(({ callbacks }) => callbacks.sent)).toEqual([2, 1]);
  });

  test("overtake each other", async () => {
    const { hook, submit, heard, journal } = await startCalling({ reorderCallbacks: 1 });
    const first = await submit();
    await expect.poll(async () => (await journal()).predictions[0]?.status).toBe("failed");
    const second = await submit();
    await until(() => hook.callbacks[1] ?? null);
    expect(heard()).toEqual([second, first]);
  });

  test("arrive before the submit is answered", async () => {
    const { hook, submit, heard } = await startCalling({ callbackFirst: 1, latencyMs: 20 });
    const id = await submit();
    expect(heard()).toEqual([id]);
    await submit();
    // Nothing was waited for this time: it is due 20 ms after the answer at the earliest.
    await until(() => hook.callbacks[1] ?? null);
  });

  test("be lost although the submit waits for them", async () => {
    const { submit, heard } = await startCalling({ callbackFirst: true, dropCallbacks: true });
    await submit();
    expect(heard()).toEqual([]);
  });

  test("come late", async () => {
    const { hook, submit, heard, advance, control, journal } = await startCalling({
      callbackDelayMs: 600_000,
    });
    const late = await submit();
    await expect.poll(async () => (await journal()).predictions[0]?.status).toBe("failed");
    await control({ callbackDelayMs: 0 });
    const next = await submit();
    await until(() => hook.callbacks[0] ?? null);
    await advance(600);
    await until(() => hook.callbacks[1] ?? null);
    expect(heard()).toEqual([next, late]);
  });

  test.each([[301, "stale"], [-302, "future"]])(
    "carry a timestamp that is %i seconds old, correctly signed, and so are %s",
    async (callbackAgeSeconds, reason) => {
      const { fake, hook, submit, control } = await startCalling({ callbackAgeSeconds });
      await submit();
      const callback = await until(() => hook.callbacks[0] ?? null);
      expect(await verify(callback, [fake.webhookSecret])).toEqual({ valid: false, reason });
      await control({ callbackAgeSeconds: 290 });
      await submit();
      await until(() => hook.callbacks[1] ?? null);
      expect(await verify(hook.callbacks[1], [fake.webhookSecret])).toEqual({ valid: true });
    },
  );

  test("carry the real time though the stand-in's clock was moved", async () => {
    const { fake, hook, submit, advance } = await startCalling();
    await advance(24 * 60 * 60);
    await submit();
    const callback = await until(() => hook.callbacks[0] ?? null);
    expect(await verify(callback, [fake.webhookSecret])).toEqual({ valid: true });
  });

  test("be signed with a new secret, which the API tells", async () => {
    const { fake, wavespeed, hook, submit, control } = await startCalling();
    const old = fake.webhookSecret;
    await control({}, "/rotate-secret");
    await submit();
    const callback = await until(() => hook.callbacks[0] ?? null);
    const told = await wavespeed.webhookSecret();
    if (told.kind !== "ok") throw new Error(told.kind);
    expect(told.value.secret).not.toBe(old);
    expect(await verify(callback, [old])).toEqual({ valid: false, reason: "mismatch" });
    expect(await verify(callback, [old, told.value.secret])).toEqual({ valid: true });
  });

  test.each(["v3", "v3-whole", "v1"])(
    "be wrongly signed in the way %s, and never verify",
    async (signature) => {
      const { fake, hook, submit } = await startCalling({ signature, badSignatures: true });
      await submit();
      const callback = await until(() => hook.callbacks[0] ?? null);
      const secrets = [fake.webhookSecret, `whsec_${fake.webhookSecret}`];
      expect((await verify(callback, secrets)).valid).toBe(false);
    },
  );
});
