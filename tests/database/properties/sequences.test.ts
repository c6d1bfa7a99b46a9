// One step after the other, against a model that knows what each must answer and leave behind.

import fc from "fast-check";
import { expect } from "vitest";
import { openDatabase } from "../database.ts";
import { brokenInvariants } from "./invariants.ts";
import type { Real } from "./model/command.ts";
import { anyCommand } from "./model/commands.ts";
import { chance, createModel, hasEnded, type Model, seconds, signUpCredits } from "./model/state.ts";
import { trial } from "./trial.ts";

const db = await openDatabase();
const met = new Set<string>();
const replayPath = process.env["GENFLOW_PROPERTY_REPLAY"];
const replay = replayPath === undefined ? {} : { replayPath };

const anySetting = fc.record({
  userRunningCap: fc.integer({ min: 1, max: 3 }),
  runningCap: fc.integer({ min: 1, max: 4 }),
});
const anyUsers = fc.array(
  fc.record({
    isConfirmed: fc.boolean(),
    credits: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant(40)),
  }),
  { minLength: 2, maxLength: 3 },
);
type NewUser = { isConfirmed: boolean; credits: number };

async function setUp(
  users: NewUser[],
  { userRunningCap, runningCap }: { userRunningCap: number; runningCap: number },
): Promise<{ model: Model; real: Real }> {
  await db.startAnew();
  await db.fixRandom(chance);
  const userPendingCap = 20;
  const userStartBurst = 20;
  const model = createModel(
    { userRunningCap, userPendingCap, userStartBurst, maxAttempts: 3, isIntakePaused: false },
    { runningCap, startBurst: 20 },
  );
  await db.settings({
    user_running_cap: userRunningCap,
    user_pending_cap: userPendingCap,
    user_start_burst: userStartBurst,
    user_starts_per_minute: 1,
    sign_up_grant_credits: signUpCredits,
    breaker_failure_threshold: 1000,
    claim_lease_seconds: seconds.claimLease,
    submit_lease_seconds: seconds.submitLease,
    backoff_base_seconds: seconds.backoffBase,
    backoff_max_seconds: seconds.backoffMax,
    unknown_grace_seconds: seconds.unknownGrace,
    attempt_max_age_without_task_seconds: seconds.ageWithoutTask,
    attempt_max_age_with_task_seconds: seconds.ageWithTask,
    processing_deadline_seconds: seconds.processing,
    persist_lease_seconds: seconds.persistLease,
    persist_deadline_seconds: seconds.persisting,
    queue_deadline_seconds: seconds.queue,
  });
  await db.provider({ running_cap: runningCap, start_burst: 20, starts_per_minute: 1 });
  for (const [modelId, credits] of [["flux-schnell", 1], ["flux-dev", 2]] as const) {
    model.prices.set(modelId, credits);
    await db.sql`update public.generation_models set credits_per_image = ${credits} where id = ${modelId}`;
  }
  for (const user of users) await addUser(model, user);
  return { model, real: { db, leases: [] } };
}

async function addUser(model: Model, { isConfirmed, credits }: NewUser): Promise<void> {
  const id = await db.addUser({ confirmed: isConfirmed });
  await db.rpc("grant_credits", { p_user_id: id, p_credits: credits, p_reference: "to begin with" });
  model.users.set(id, {
    id,
    isConfirmed,
    isGranted: false,
    balance: credits,
    headStartSeconds: 0,
    runningCap: null,
    pendingCap: null,
    tokens: null,
    references: new Set(),
  });
}

trial(
  "every step leaves the balances, holds, states, closings and turns that the rules say, and answers so",
  30,
  () =>
    fc.asyncProperty(
      anyUsers,
      anySetting,
      fc.commands(anyCommand, { maxCommands: 120, size: "max", ...replay }),
      async (users, setting, commands) => {
        const setup = await setUp(users, setting);
        await fc.asyncModelRun(() => setup, commands);
        expect(await brokenInvariants(db.sql)).toEqual([]);
        for (const job of setup.model.jobs.values()) {
          met.add(job.error ?? job.status);
          if (hasEnded(job) && job.captured === null) met.add("an open hold");
        }
        for (const { closed } of setup.model.attempts.values()) met.add(closed ?? "open");
      },
    ),
  () => {
    expect([...met]).toEqual(expect.arrayContaining([
      ...["completed", "canceled", "moderated", "input_rejected", "processing", "an open hold"],
      ...["never_sent", "rejected", "delivered", "failed", "abandoned", "open"],
    ]));
  },
);
