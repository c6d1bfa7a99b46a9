// Many workers at once, each on a connection of its own: the server makes the interleaving, the plan is drawn.

import fc from "fast-check";
import { afterAll, beforeAll, expect } from "vitest";
import { ChangeMessage } from "../../../shared/contract/mod.ts";
import { openDatabase } from "../database.ts";
import { anyPlan } from "./deeds.ts";
import { brokenInvariants, deadlocks, stillOpen } from "./invariants.ts";
import { trial } from "./trial.ts";
import { createWitness } from "./witness.ts";
import { createWorld, drain, perform, type World } from "./world.ts";

const db = await openDatabase();
const watch = db.connections(1);
const pool = db.connections(16);
const deedsBetweenLooks = 25;
/** In all the runs together, before the drain. */
const met = { events: new Set<unknown>(), refusals: new Set<string>(), claims: 0 };
const events = [
  "submitting",
  "sending",
  "submitted",
  "attempt_closed",
  "requeued",
  "persisting",
  "image_stored",
]
  .concat("completed", "failed", "canceled", "hold_closed");
let deadlocksBefore = 0;

beforeAll(async () => {
  deadlocksBefore = await deadlocks(db.sql);
});
afterAll(async () => {
  await Promise.all([watch.end(), pool.end()]);
});

async function note(world: World): Promise<void> {
  const events = await db.sql`select distinct event from public.generation_events`;
  for (const { event } of events) met.events.add(event);
  for (const code of world.refusals) met.refusals.add(code);
}

async function feeds(world: World): Promise<void> {
  for (const userId of world.users) {
    const messages = (await db.messages(userId)).map((payload) => ChangeMessage.parse(payload).seq);
    expect(messages).toEqual(messages.map((_, at) => at + 1));
  }
}

trial(
  "whatever 8 to 16 workers do at once: money, holds, closings, caps and feeds stay right, all ends, and nothing fails",
  8,
  () =>
    fc.asyncProperty(anyPlan, async (plan) => {
      const witness = createWitness(pool);
      const world = await createWorld(db, witness.kernel, plan);
      const problems: string[] = [];
      let done = 0;
      await Promise.all(plan.workers.map(async (deeds) => {
        for (const deed of deeds) {
          await perform(world, deed).catch((error) => problems.push(`${deed.deed}: ${String(error)}`));
          if (++done % deedsBetweenLooks === 0) problems.push(...await brokenInvariants(watch));
        }
      }));
      problems.push(...witness.violations, ...await brokenInvariants(watch));
      expect(problems).toEqual([]);
      await note(world);
      await drain(world);
      expect(await stillOpen(watch)).toEqual([]);
      expect(await brokenInvariants(watch)).toEqual([]);
      await feeds(world);
      met.claims += witness.claims;
    }),
  async () => {
    await pool.end(); // a closed connection has reported what it met
    expect(await deadlocks(db.sql)).toBe(deadlocksBefore);
    expect([...met.events]).toEqual(expect.arrayContaining(events));
    expect([...met.refusals]).toEqual(
      expect.arrayContaining(["insufficient_credits", "idempotency_key_reused", "retry_not_possible"]),
    );
    expect(met.claims).toBeGreaterThan(0);
  },
);
