// What a test may change of the stand-in while it runs. Faults are data: a new one is a new setting.

import * as z from "zod";

/** false: never, true: always, n: the next n times. */
const Times = z.union([z.boolean(), z.number().int().nonnegative()]);

export const Settings = z.strictObject({
  /** From the submit to the end of a task. */
  latencyMs: z.number().int().nonnegative(),
  /** Open tasks of the account at once; 3 is the provider's first tier. */
  concurrency: z.number().int().positive(),
  /** What happens above it: sources disagree. */
  concurrencyMode: z.enum(["reject", "wait"]),
  dropCallbacks: Times,
  /** Callbacks whose signature does not verify. */
  badSignatures: Times,
  failTasks: Times,
  /** How failing tasks fail: `data.code` and `data.error`. */
  failure: z.strictObject({ code: z.number().int(), message: z.string() }),
  /** The task is made, but the answer waits until this is false again. */
  holdSubmitAnswers: z.boolean(),
  /** The task is made and the connection cut. */
  dropSubmitAnswers: Times,
  rejectSubmits: Times,
  /** What rejected submits are answered with. */
  rejection: z.strictObject({
    httpStatus: z.number().int(),
    body: z.unknown(),
    headers: z.record(z.string(), z.string()),
  }),
  /** A prompt with one of these words fails with 1200. */
  moderateWords: z.array(z.string()),
  /** Whether results carry has_nsfw_contents; recent ones often do not. */
  omitFlags: z.boolean(),
  flagOutputs: z.boolean(),
  /** Whether the list echoes inputs; sources disagree. */
  echoInputs: z.boolean(),
});
export type Settings = z.infer<typeof Settings>;

export const defaultSettings: Settings = {
  latencyMs: 1500,
  concurrency: 3,
  concurrencyMode: "reject",
  dropCallbacks: false,
  badSignatures: false,
  failTasks: false,
  failure: { code: 1405, message: "The task failed." },
  holdSubmitAnswers: false,
  dropSubmitAnswers: false,
  rejectSubmits: false,
  rejection: {
    httpStatus: 429,
    body: { code: 429, message: "You have reached your concurrency limit", data: null },
    headers: {},
  },
  moderateWords: [],
  omitFlags: false,
  flagOutputs: false,
  echoInputs: true,
};

type Countable = "dropCallbacks" | "badSignatures" | "failTasks" | "dropSubmitAnswers" | "rejectSubmits";

/** Whether a fault strikes now; counts it down. */
export function strikes(settings: Settings, fault: Countable): boolean {
  const times = settings[fault];
  if (typeof times === "boolean") return times;
  if (times === 0) return false;
  settings[fault] = times - 1;
  return true;
}
