// What an operator changes while all runs, and the clock.

import fc from "fast-check";
import { expect } from "vitest";
import { command, pick, userAt } from "./command.ts";
import { sweep } from "./sweep.ts";

export const settings = command(
  "change settings",
  fc.record({
    userRunningCap: fc.nat({ max: 3 }),
    userPendingCap: fc.constantFrom(1, 4, 20),
    userStartBurst: fc.constantFrom(2, 20),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    isIntakePaused: fc.constantFrom(false, false, false, true),
  }, { requiredKeys: [] }),
  async (model, real, changed) => {
    Object.assign(model.settings, changed);
    const all = model.settings;
    await real.db.settings({
      user_running_cap: all.userRunningCap,
      user_pending_cap: all.userPendingCap,
      user_start_burst: all.userStartBurst,
      max_attempts: all.maxAttempts,
      intake_paused: all.isIntakePaused,
    });
  },
);

export const providers = command(
  "change the provider",
  fc.record({ runningCap: fc.nat({ max: 4 }), startBurst: fc.constantFrom(2, 20) }),
  async (model, real, { runningCap, startBurst }) => {
    Object.assign(model.provider, { runningCap, startBurst });
    await real.db.provider({ running_cap: runningCap, start_burst: startBurst });
  },
);

const headStarts = { standard: 0, plus: 60, pro: 180 } as const;
export const accounts = command(
  "change an account",
  fc.record({
    user: pick,
    runningCap: fc.option(fc.nat({ max: 3 })),
    pendingCap: fc.option(fc.integer({ min: 1, max: 6 })),
    priorityClass: fc.constantFrom("standard", "plus", "pro"),
  }),
  async (model, real, { user, runningCap, pendingCap, priorityClass }) => {
    const account = userAt(model, user);
    Object.assign(account, { runningCap, pendingCap, headStartSeconds: headStarts[priorityClass] });
    const values = { running_cap: runningCap, pending_cap: pendingCap, priority_class: priorityClass };
    await real.db.account(account.id, values);
  },
);

export const prices = command(
  "change a price",
  fc.record({
    modelId: fc.constantFrom("flux-schnell", "flux-dev"),
    credits: fc.integer({ min: 1, max: 3 }),
  }),
  async (model, real, { modelId, credits }) => {
    model.prices.set(modelId, credits);
    await real.db
      .sql`update public.generation_models set credits_per_image = ${credits} where id = ${modelId}`;
  },
);

export const minutes = command(
  "wait",
  fc.record({
    minutes: fc.constantFrom(1, 1, 1, 1, 1, 1, 2, 2, 5, 10, 30, 60, 180, 360, 1440),
    isSwept: fc.constantFrom(true, true, false),
  }),
  async (model, real, { minutes, isSwept }) => {
    model.now += minutes * 60;
    await real.db.advance(minutes * 60);
    if (!isSwept) return;
    sweep(model);
    expect(await real.db.sweep()).toEqual([]);
  },
);
