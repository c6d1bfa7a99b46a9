// Where the provider's sources disagree or are silent, the stand-in has a switch. Our client is right under each of
// its values, and no switch is without a test.

import * as z from "zod";
import { describe, expect, test } from "vitest";
import { rowOf } from "../../supabase/local/fake-wavespeed/setting.ts";
import { Settings } from "../../supabase/local/fake-wavespeed/settings.ts";
import { startProvider } from "./fake-provider.ts";
import { callbackReadings } from "./readings/callbacks.ts";
import { moneyReadings } from "./readings/money.ts";
import { refusalReadings } from "./readings/refusals.ts";
import { resultReadings } from "./readings/results.ts";
import { submitReadings } from "./readings/submit.ts";

const readings = [
  ...submitReadings,
  ...refusalReadings,
  ...resultReadings,
  ...moneyReadings,
  ...callbackReadings,
];

describe("the client", () => {
  test.each(readings)("under $setting $value: $then", async ({ setting, value, prove }) => {
    const provider = await startProvider({ latencyMs: 60_000 });
    expect((await provider.control({ [setting]: value })).status).toBe(200);
    await prove(provider);
  });
});

const doubtful = Object.entries(Settings.shape).filter(([, schema]) => rowOf(schema).doubt !== "");

test.each(doubtful)("each value of %s has a test", (name, schema) => {
  const proven = readings.filter(({ setting }) => setting === name).map(({ value }) => value);
  expect(proven).not.toEqual([]);
  if (schema instanceof z.ZodEnum) expect(proven).toEqual(expect.arrayContaining(schema.options));
  if (schema instanceof z.ZodBoolean) expect(proven).toEqual(expect.arrayContaining([false, true]));
});
