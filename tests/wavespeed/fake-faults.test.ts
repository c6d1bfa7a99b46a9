import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { startHook, startProvider, until } from "./fake-provider.ts";

describe("faults", () => {
  test("a held answer to a submit comes when it is released; its task has run meanwhile", async () => {
    const { submit, control, journal } = await startProvider();
    await control({ holdSubmitAnswers: true });
    let answered = false;
    const submission = submit().finally(() => answered = true);
    await until(async () => (await journal()).predictions[0]?.status === "completed" ? true : null);
    expect(answered).toBe(false);
    await control({ holdSubmitAnswers: false });
    expect(await submission).toMatchObject({ kind: "accepted", status: "created" });
  });

  test("a dropped answer leaves the submit unknown and its task alive, and the next one is answered", async () => {
    const { wavespeed, submit, control, journal } = await startProvider();
    await control({ dropSubmitAnswers: 1 });
    expect(await submit()).toMatchObject({ kind: "unknown", cause: "network" });
    const [task] = (await journal()).predictions;
    const done = async () => await wavespeed.result(task?.id ?? "");
    await expect.poll(done, { timeout: 10_000 }).toMatchObject({
      kind: "prediction",
      prediction: { status: "completed" },
    });
    expect(await submit()).toMatchObject({ kind: "accepted" });
    expect((await journal()).predictions).toHaveLength(2);
  });

  test("a rejected submit makes no task and is answered as told, as often as told", async () => {
    const { submit, control, journal } = await startProvider();
    await control({
      rejectSubmits: 2,
      rejection: {
        httpStatus: 429,
        body: { code: 429, message: "slow down" },
        headers: { "retry-after": "3" },
      },
    });
    expect(await submit()).toMatchObject({ kind: "rejected", class: "rate_limited", retryAfterSeconds: 3 });
    await control({ rejection: { httpStatus: 502, body: "<html>bad gateway</html>", headers: {} } });
    expect(await submit()).toMatchObject({ kind: "unknown", cause: "server_error" });
    expect((await journal()).predictions).toEqual([]);
    expect(await submit()).toMatchObject({ kind: "accepted" });
  });

  test("failing tasks fail as told, as often as told", async () => {
    const { make, control } = await startProvider();
    await control({ failTasks: 1, failure: { code: 1403, message: "no luck" } });
    expect(await make()).toMatchObject({ status: "failed", errorCode: 1403, error: "no luck", outputs: [] });
    expect(await make()).toMatchObject({ status: "completed" });
  });

  test("a moderated word fails its task with 1200", async () => {
    const { make, control } = await startProvider();
    await control({ moderateWords: ["Gore"] });
    expect(await make({ prompt: "much gore" })).toMatchObject({ status: "failed", errorCode: 1200 });
    expect(await make()).toMatchObject({ status: "completed" });
  });

  test("flags can be raised and left out", async () => {
    const { make, control } = await startProvider();
    await control({ flagOutputs: true });
    expect((await make({ num_images: 2 })).flagged).toEqual([true, true]);
    await control({ omitFlags: true });
    expect((await make()).flagged).toEqual([]);
  });

  test("above its concurrency the account is refused, or made to wait", async () => {
    const { submit, control, journal } = await startProvider({ latencyMs: 60_000, concurrency: 1 });
    await submit();
    expect(await submit()).toMatchObject({ kind: "rejected", class: "rate_limited", httpStatus: 429 });
    await control({ concurrencyMode: "wait" });
    expect(await submit()).toMatchObject({ kind: "accepted" });
    const statuses = async () => (await journal()).predictions.map(({ status }) => status);
    expect(await statuses()).toEqual(["processing", "created"]);
    await control({ latencyMs: 0 });
    await until(async () => (await statuses()).every((status) => status === "completed") ? true : null);
  });

  test("a waiting task starts when the one before it is deleted", async () => {
    const { wavespeed, submit, control, journal } = await startProvider({
      latencyMs: 60_000,
      concurrency: 1,
    });
    await control({ concurrencyMode: "wait", oldDelete: "stops" });
    const first = await submit();
    await submit();
    if (first.kind !== "accepted") throw new Error(first.kind);
    await wavespeed.delete(first.taskId);
    expect((await journal()).predictions.map(({ status }) => status)).toEqual(["deleted", "processing"]);
  });

  test("base64 output together with a callback is refused as the provider refuses it", async () => {
    const { submit } = await startProvider();
    const submission = await submit({ enable_base64_output: true }, { webhookUrl: "https://app.example/" });
    expect(submission).toMatchObject({ kind: "rejected", class: "bad_input", httpStatus: 400 });
  });

  test.each([{ failTask: true }, { dropCallbacks: -1 }, { latencyMs: "soon" }, { concurrency: 0 }])(
    "the setting %j is refused and changes nothing",
    async (settings) => {
      const { control, journal } = await startProvider();
      const before = await journal();
      await expect(control({ ...settings, omitFlags: true })).rejects.toThrow(/"code"/);
      expect(await journal()).toEqual(before);
    },
  );

  test("a reset brings back the first settings, balance and emptiness", async () => {
    const { wavespeed, make, control, journal } = await startProvider({ latencyMs: 1 });
    const first = await journal();
    const upload = await wavespeed.upload(new Blob(["x"]), "x");
    await control({ dropCallbacks: 3, moderateWords: ["fox"], latencyMs: 5 });
    await make({ prompt: "a whale" });
    await control({}, "/rotate-secret");
    await control({}, "/reset");
    expect(await journal()).toEqual(first);
    if (upload.kind !== "ok") throw new Error(upload.kind);
    expect((await fetch(upload.value.url)).status).toBe(404);
  });

  test("the journal holds no prompt", async () => {
    const { fake, submit } = await startProvider({ latencyMs: 60_000 });
    await submit({ prompt: "a very private fox" });
    expect(await (await fetch(`${fake.url}/control`)).text()).not.toContain("private");
  });

  test("a process ends by itself once the stand-in in it was stopped in the middle of everything", async () => {
    const probe = join(import.meta.dirname, "stop-probe.ts");
    const { stdout } = await promisify(execFile)(process.execPath, [probe], { timeout: 10_000 });
    expect(stdout.trim()).toBe("stopped with 0 timers");
  });

  test("stop ends held answers and pending callbacks at once", async () => {
    const { fake, make, submit, control } = await startProvider();
    const hook = await startHook([500, 500, 500, 500]);
    await make({}, { webhookUrl: hook.url });
    await until(() => hook.callbacks[0] ?? null);
    await control({ holdSubmitAnswers: true });
    const held = submit();
    await until(async () => (await (await fetch(`${fake.url}/control`)).json()).predictions[1] ?? null);
    await fake.stop();
    expect(["accepted", "unknown"]).toContain((await held).kind);
    const delivered = hook.callbacks.length;
    expect(delivered).toBeLessThan(4);
  });
});
