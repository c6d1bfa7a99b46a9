// How submits are refused, and other requests with them.

import { expect } from "vitest";
import { failureClass } from "../../../shared/wavespeed/mod.ts";
import { ask, taskOf } from "../fake-provider.ts";
import { each, type Reading } from "./reading.ts";

const badInput = { size: "1*1" };

export const refusalReadings: readonly Reading[] = [
  {
    setting: "concurrencyMode",
    value: "reject",
    then: "a task too many is rate limited",
    prove: async ({ submit, control }) => {
      await control({ concurrency: 1 });
      expect(await submit()).toMatchObject({ kind: "accepted" });
      expect(await submit()).toMatchObject({ kind: "rejected", class: "rate_limited", httpStatus: 429 });
    },
  },
  {
    setting: "concurrencyMode",
    value: "wait",
    then: "a task too many is accepted and waits",
    prove: async ({ submit, wavespeed, control }) => {
      await control({ concurrency: 1 });
      await submit();
      const waiting = taskOf(await submit());
      expect(await wavespeed.result(waiting)).toMatchObject({ prediction: { status: "created" } });
    },
  },
  ...each("retryAfter", "a refusal above the limit is told with its wait, if any", [
    "none",
    "seconds",
    "date",
  ], async (
    { submit, control },
    value,
  ) => {
    await control({ concurrency: 1, imagesPerMinute: 1 });
    await submit();
    const submission = await submit();
    expect(submission).toMatchObject({ kind: "rejected", class: "rate_limited" });
    // The date has whole seconds, so what is left of one second may round down to none.
    const waits = { none: [undefined], seconds: [1], date: [0, 1] }[String(value)];
    expect(waits).toContain("retryAfterSeconds" in submission ? submission.retryAfterSeconds : undefined);
  }),
  ...each(
    "refusalForm",
    "the reason is read",
    ["frame", "error", "detail", "errors"],
    async (provider, value) => {
      const { submit, wavespeed, control } = provider;
      const message = "size must be W*H within 256–1536";
      expect(await submit(badInput))
        .toMatchObject({ kind: "rejected", class: "bad_input", providerMessage: message });
      const bodies: Record<string, unknown> = {
        frame: { code: 400, message, data: null },
        error: { error: message },
        detail: { detail: message },
        errors: { errors: [message] },
      };
      const { body } = await ask(provider, "POST wavespeed-ai/flux-dev", { prompt: "a fox", ...badInput });
      expect(body).toEqual(bodies[String(value)]);
      await control({ creditsRefusal: "400" });
      await control({ usd: 0 }, "/balance");
      expect(await submit()).toMatchObject({ kind: "rejected", class: "no_credits", httpStatus: 400 });
      expect(await wavespeed.result("unknown")).toEqual({ kind: "not_found" });
    },
  ),
  ...each(
    "errorCodes",
    "a bad input is one with or without the code",
    [false, true],
    async ({ submit }, value) => {
      const [wrong, lacking] = [await submit(badInput), await submit({ prompt: undefined })];
      for (const submission of [wrong, lacking]) {
        expect(submission).toMatchObject({ kind: "rejected", class: "bad_input", httpStatus: 400 });
      }
      const codes = [wrong, lacking].map((one) => "providerCode" in one ? one.providerCode : null);
      expect(codes).toEqual(value === true ? [1401, 1400] : [400, 400]);
    },
  ),
  ...each("notFoundForm", "model and task are not found", ["frame", "text"], async (provider, value) => {
    const { submit, wavespeed } = provider;
    expect(await submit({}, { modelId: "wavespeed-ai/no-such" }))
      .toMatchObject({ kind: "rejected", class: "model_not_found", httpStatus: 404 });
    expect(await wavespeed.result("0".repeat(32))).toEqual({ kind: "not_found" });
    expect(await wavespeed.delete("0".repeat(32))).toEqual({ kind: "not_found" });
    const { body } = await ask(provider, "GET predictions/unknown/result");
    expect(typeof body).toBe(value === "text" ? "string" : "object");
  }),
  ...each("creditsRefusal", "an empty account is told from a bad request", [
    "402",
    "400",
    "403",
    "code 1407",
  ], async ({ submit, control, journal }, value) => {
    await control({ usd: 0.011 }, "/balance");
    expect(await submit()).toMatchObject({
      kind: "rejected",
      class: "no_credits",
      ...(value === "code 1407" ? { httpStatus: 200, providerCode: 1407 } : { httpStatus: Number(value) }),
    });
    expect((await journal()).predictions).toEqual([]);
    await control({ usd: 0.013 }, "/balance");
    expect(await submit()).toMatchObject({ kind: "accepted" });
  }),
  {
    setting: "creditsRefusal",
    value: "task 1407",
    then: "a task that fails for want of credits is told from one that failed of itself",
    prove: async ({ make, control }) => {
      await control({ latencyMs: 0 });
      await control({ usd: 0 }, "/balance");
      expect(failureClass(await make())).toBe("no_credits");
    },
  },
];
