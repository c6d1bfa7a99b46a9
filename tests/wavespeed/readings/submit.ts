// What a submit may hold, and how it is answered.

import { expect } from "vitest";
import { failureClass } from "../../../shared/wavespeed/mod.ts";
import { ask, startHook, until } from "../fake-provider.ts";
import { each, type Reading } from "./reading.ts";

const atOnce = { latencyMs: 0, emptyOutputs: true };
const pixel =
  `data:image/png;base64,${"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}`;

export const submitReadings: readonly Reading[] = [
  ...each("initialStatus", "a new task is accepted", ["created", "processing"], async ({ submit }, value) => {
    expect(await submit()).toMatchObject({ kind: "accepted", status: value });
  }),
  {
    setting: "unknownKeys",
    value: "drop",
    then: "a needless input does no harm",
    prove: async ({ submit }) => {
      const submission = await submit({ needless: 1 });
      expect(submission).toMatchObject({ kind: "accepted" });
      expect(JSON.stringify(submission)).not.toContain("needless");
    },
  },
  {
    setting: "unknownKeys",
    value: "reject",
    then: "a needless input is a rejection for certain",
    prove: async ({ submit, journal }) => {
      expect(await submit({ needless: 1 }))
        .toMatchObject({ kind: "rejected", class: "bad_input", httpStatus: 400 });
      expect((await journal()).predictions).toEqual([]);
      expect(await submit()).toMatchObject({ kind: "accepted" });
    },
  },
  {
    setting: "commonFlags",
    value: true,
    then: "sync mode answers with the end of the task",
    prove: async ({ submit, control }) => {
      await control(atOnce);
      expect(await submit({ enable_sync_mode: true })).toMatchObject({ status: "completed" });
    },
  },
  {
    setting: "commonFlags",
    value: false,
    then: "a model without sync mode answers at once",
    prove: async ({ submit, control }) => {
      await control(atOnce);
      expect(await submit({ enable_sync_mode: true })).toMatchObject({ status: "created" });
      await control({ unknownKeys: "reject" });
      expect(await submit({ enable_sync_mode: true }))
        .toMatchObject({ kind: "rejected", class: "bad_input" });
    },
  },
  ...each(
    "webhookInBody",
    "the callback goes to the URL of the query",
    [false, true],
    async (provider, value) => {
      await provider.control(atOnce);
      const [ours, other] = [await startHook(), await startHook()];
      await provider.submit({ webhook_url: other.url }, { webhookUrl: ours.url });
      await until(() => ours.callbacks[0] ?? null);
      expect(other.callbacks).toEqual([]);
      await ask(provider, "POST wavespeed-ai/flux-dev", { prompt: "a fox", webhook_url: other.url });
      // Whatever the second one leads to has been sent by the time a third one has arrived.
      await provider.submit({}, { webhookUrl: ours.url });
      await until(() => ours.callbacks[1] ?? null);
      if (value === true) {
        await until(() => other.callbacks[0] ?? null);
      } else expect(other.callbacks).toEqual([]);
    },
  ),
  ...each(
    "syncLimitMs",
    "a wait that runs out leaves a running task",
    [90_000, 120_000],
    async (provider, value) => {
      const limitMs = Number(value);
      const answerAfter = async (latencyMs: number, seconds: number) => {
        await provider.control({ latencyMs, emptyOutputs: true });
        const before = (await provider.journal()).predictions.length;
        const waiting = provider.submit({ enable_sync_mode: true });
        await until(async () => (await provider.journal()).predictions[before] ?? null);
        await provider.advance(seconds);
        return await waiting;
      };
      expect(await answerAfter(limitMs - 5000, limitMs / 1000 - 5)).toMatchObject({ status: "completed" });
      const late = await answerAfter(limitMs + 5000, limitMs / 1000);
      expect(late).toMatchObject({ kind: "accepted", status: "processing", prediction: { errorCode: 5004 } });
      if (late.kind === "accepted") expect(failureClass(late.prediction)).toBeNull();
    },
  ),
  {
    setting: "syncTimeout",
    value: "answer",
    then: "a wait that runs out is polled on",
    prove: async ({ submit, ended, control }) => {
      await control({ syncLimitMs: 5, emptyOutputs: true });
      const submission = await submit({ enable_sync_mode: true });
      expect(submission).toMatchObject({ kind: "accepted", status: "processing" });
      await control({ latencyMs: 0 });
      expect(await ended(submission)).toMatchObject({ status: "completed", errorCode: null, error: null });
    },
  },
  {
    setting: "syncTimeout",
    value: "gateway",
    then: "the submit is unknown, and its task lives",
    prove: async ({ submit, control, journal }) => {
      await control({ syncLimitMs: 5 });
      expect(await submit({ enable_sync_mode: true }))
        .toMatchObject({ kind: "unknown", cause: "server_error", httpStatus: 504 });
      expect((await journal()).predictions).toMatchObject([{ status: "processing" }]);
    },
  },
  {
    setting: "inlineMedia",
    value: false,
    then: "an inline picture is one that cannot be reached",
    prove: async ({ make, control }) => {
      await control({ latencyMs: 0 });
      const prediction = await make({ images: [pixel] }, { modelId: "google/nano-banana/edit" });
      expect(failureClass(prediction)).toBe("input_unreachable");
    },
  },
  {
    setting: "inlineMedia",
    value: true,
    then: "an inline picture is drawn over",
    prove: async ({ make, control }) => {
      await control({ latencyMs: 0 });
      const input = { images: [pixel], size: "256*256" };
      const prediction = await make(input, { modelId: "wavespeed-ai/qwen-image/edit-plus" });
      expect(failureClass(prediction)).toBeNull();
    },
  },
];
