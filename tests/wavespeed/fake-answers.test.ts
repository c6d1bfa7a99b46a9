import { describe, expect, test } from "vitest";
import { failureClass } from "../../shared/wavespeed/mod.ts";
import { startProvider, taskOf } from "./fake-provider.ts";

const page = "<html><body>nginx</body></html>";

describe("a spoilt answer", () => {
  test.each([
    [400, "refused"],
    [401, "unauthorized"],
    [402, "unauthorized"],
    [403, "unauthorized"],
    [413, "refused"],
    [500, "server_error"],
    [502, "server_error"],
    [503, "server_error"],
    [504, "server_error"],
  ])(
    "of HTTP %i with a page of a gateway is %s for a result, and the next one is whole",
    async (httpStatus, cause) => {
      const { wavespeed, submit, control } = await startProvider({ latencyMs: 60_000 });
      const id = taskOf(await submit());
      const breakage = { endpoint: "result", how: "replaced", httpStatus, body: page, headers: {} };
      await control({ breakAnswers: 1, breakage });
      expect(await wavespeed.result(id)).toMatchObject({ kind: "unavailable", cause, httpStatus });
      expect(await wavespeed.result(id)).toMatchObject({ kind: "prediction" });
    },
  );

  test.each([
    [404, { kind: "not_found" }],
    [429, { kind: "rate_limited", retryAfterSeconds: 7 }],
  ])("of HTTP %i is %o for a result", async (httpStatus, expected) => {
    const { wavespeed, submit, control } = await startProvider({ latencyMs: 60_000 });
    const id = taskOf(await submit());
    const headers = { "retry-after": "7" };
    await control({
      breakAnswers: true,
      breakage: { endpoint: "any", how: "replaced", httpStatus, body: page, headers },
    });
    expect(await wavespeed.result(id)).toEqual(expected);
  });

  test.each([
    [5000, { kind: "unavailable", cause: "server_error" }],
    [401, { kind: "unavailable", cause: "unauthorized" }],
    [404, { kind: "not_found" }],
  ])("of HTTP 200 with the code %i inside is %o", async (code, expected) => {
    const { wavespeed, control } = await startProvider();
    const body = { code, message: "no", data: null };
    await control({
      breakAnswers: true,
      breakage: { endpoint: "account", how: "replaced", httpStatus: 200, body, headers: {} },
    });
    expect(await wavespeed.balance()).toMatchObject(expected);
    expect(await wavespeed.models()).toMatchObject({ kind: "ok" });
  });

  test.each([
    ["truncated", "unreadable", "unreadable"],
    ["cut", "unreadable", "unreadable"],
    ["dropped", "network", "network"],
  ])(
    "that is %s is %s for a result, and leaves a submit unknown and its task alive",
    async (how, forResult, forSubmit) => {
      const { wavespeed, submit, control, journal } = await startProvider({ latencyMs: 60_000 });
      const breakage = { endpoint: "any", how, httpStatus: 200, headers: {} };
      await control({ breakAnswers: 1, breakage });
      expect(await submit()).toMatchObject({ kind: "unknown", cause: forSubmit });
      const [task] = (await journal()).predictions;
      await control({ breakAnswers: 1 });
      expect(await wavespeed.result(task?.id ?? "")).toMatchObject({ kind: "unavailable", cause: forResult });
      expect(await wavespeed.result(task?.id ?? "")).toMatchObject({ prediction: { status: "processing" } });
    },
  );

  test("after a submit was accepted leaves it unknown, whatever it says of an overload", async () => {
    const { submit, control, journal } = await startProvider({ latencyMs: 60_000 });
    const breakage = { endpoint: "submit", how: "replaced", httpStatus: 503, body: page, headers: {} };
    await control({ breakAnswers: 1, breakage });
    expect(await submit()).toMatchObject({ kind: "unknown", cause: "server_error", httpStatus: 503 });
    expect((await journal()).predictions).toHaveLength(1);
  });

  test("concerns its own endpoint and is not used up by others", async () => {
    const { wavespeed, control, journal } = await startProvider();
    const breakage = { endpoint: "list", how: "dropped", httpStatus: 200, headers: {} };
    await control({ breakAnswers: 1, breakage });
    expect(await wavespeed.balance()).toMatchObject({ kind: "ok" });
    expect((await journal()).settings["breakAnswers"]).toBe(1);
  });
});

describe("a slow answer", () => {
  test("is given up at the client's deadline, and its task lives", async () => {
    const { fake, wavespeed, control, journal } = await startProvider({ latencyMs: 60_000 });
    await control({ slowAnswers: 1, slowness: { endpoint: "submit", ms: 600_000 } });
    const modelId = "wavespeed-ai/flux-dev";
    const submission = await wavespeed.submit({ modelId, input: { prompt: "a fox" }, deadlineMs: 300 });
    expect(submission).toMatchObject({ kind: "unknown", cause: "timeout" });
    expect((await journal()).predictions).toHaveLength(1);
    expect(await wavespeed.balance()).toMatchObject({ kind: "ok" });
    await fake.stop();
  });

  test("comes once the stand-in's clock has reached it", async () => {
    const { wavespeed, control, journal, advance } = await startProvider();
    await control({ slowAnswers: 1, slowness: { endpoint: "account", ms: 600_000 } });
    const waiting = wavespeed.balance({ deadlineMs: 10_000 });
    await expect.poll(async () => (await journal()).settings["slowAnswers"]).toBe(0);
    await advance(600);
    expect(await waiting).toMatchObject({ kind: "ok" });
  });
});

describe("an end without pictures", () => {
  test.each([
    [1200, "moderation"],
    [1400, "bad_input"],
    [1401, "bad_input"],
    [1402, "input_unreachable"],
    [1403, "task_failed"],
    [1405, "task_failed"],
    [1406, "provider_error"],
    [1407, "no_credits"],
    [5000, "provider_error"],
    [5003, "provider_error"],
    [5004, "provider_error"],
    [1999, "task_failed"],
  ])("with the code %i is %s", async (code, expected) => {
    const { make, control } = await startProvider();
    await control({ failTasks: true, failure: { code, message: "words" } });
    const prediction = await make();
    expect(prediction).toMatchObject({ status: "failed", errorCode: code, error: "words", outputs: [] });
    expect(failureClass(prediction)).toBe(expected);
  });

  test("that calls itself completed is a failure of its own class", async () => {
    const { make, control } = await startProvider();
    await control({ emptyOutputs: 1 });
    const prediction = await make();
    expect([prediction.status, failureClass(prediction)]).toEqual(["completed", "no_outputs"]);
    expect(failureClass(await make())).toBeNull();
  });
});

describe("an account that is barred", () => {
  test.each([["suspended", "suspended"], ["role", "unauthorized"]])(
    "as %s is refused with 403 everywhere, and a submit as %s",
    async (account, expected) => {
      const { wavespeed, submit, control, journal } = await startProvider();
      await control({ account });
      expect(await submit()).toMatchObject({ kind: "rejected", class: expected, httpStatus: 403 });
      expect(await wavespeed.balance()).toMatchObject({ cause: "unauthorized", httpStatus: 403 });
      expect((await journal()).predictions).toEqual([]);
    },
  );
});
