// 64 claimers on 64 connections, again and again, with a witness at each claim; and the form of the lock that a race
// passes, to see that this race does not pass it.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "../database.ts";
import { createScenario } from "../scenario.ts";
import { createWitness, type Witness } from "./witness.ts";

const db = await openDatabase();
const mutant = await openDatabase();
const claimers = 64;
const rounds = 5;
const cap = 2;

/** In each round all wait for the provider at once; who gets something frees it for those who still wait. */
async function race(database: typeof db, rounds: number): Promise<Witness> {
  const witness = createWitness(database.connections(claimers));
  const claimAndFree = async () => {
    const { claims, skippedUserIds } = await witness.kernel.claimGenerations(randomUUID(), 5);
    for (const { jobId } of claims) await cancel(database, jobId);
    await witness.kernel.awaitAccounts(skippedUserIds);
  };
  for (let round = 0; round < rounds; round++) {
    await allWaiting(database, Array.from({ length: claimers }, () => claimAndFree));
  }
  await witness.end();
  return witness;
}

async function cancel(database: typeof db, jobId: string): Promise<void> {
  await database
    .sql`select public.cancel_generation(user_id, id) from public.generation_jobs where id = ${jobId}`;
}

/** Begins every call while the provider is locked, and lets go once all of them wait for it. */
async function allWaiting<Answer>(database: typeof db, calls: (() => Promise<Answer>)[]): Promise<Answer[]> {
  const answers = await database.sql.begin(async (transaction) => {
    await transaction`select from genflow.provider where singleton for no key update`;
    const begun = Promise.all(calls.map((call) => call()));
    await expect.poll(
      async () =>
        (await database.sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).length,
      {
        interval: 5,
        timeout: 15_000,
      },
    ).toBe(calls.length);
    return [begun] as const;
  });
  return await answers[0];
}

async function queue(database: typeof db, users: number, jobsEach: number): Promise<void> {
  await database.settings({ sign_up_grant_credits: 1000 });
  const ids = [];
  for (let count = 0; count < users; count++) ids.push(await database.addUser());
  await createScenario(database).fill(ids, jobsEach);
}

test("64 racing claimers never pass the provider's cap of 2", async () => {
  await queue(db, 8, 20);
  await db.provider({ running_cap: cap });
  const witness = await race(db, rounds);
  expect(witness.violations).toEqual([]);
  expect(witness.claims).toBeGreaterThanOrEqual(rounds);
});

test("64 racing claimers never pass one user's cap of 2", async () => {
  await queue(db, 1, 100);
  await db.settings({ user_running_cap: cap });
  const witness = await race(db, rounds);
  expect(witness.violations).toEqual([]);
  expect(witness.claims).toBeGreaterThanOrEqual(rounds);
});

test("a claim that locks and counts in one statement is caught by the same race", async () => {
  const [source] = await mutant.sql<{ definition: string }[]>`
    select pg_get_functiondef('public.claim_generations(uuid, integer)'::regprocedure) as definition`;
  await mutant.sql.unsafe(lockedAndCountedAtOnce(source!.definition));
  await queue(mutant, 8, 20);
  await mutant.provider({ running_cap: cap });
  const witness = await race(mutant, 1);
  expect(witness.violations.length).toBeGreaterThan(0);
  expect(witness.violations[0]).toMatch(/^the provider has \d+ of 2 slots/);
});

/** The same function, but for the lock on the provider and the count under it, which become one statement. */
function lockedAndCountedAtOnce(definition: string): string {
  const lock = /perform 1 from genflow\.provider where singleton for no key update;/g;
  const count = /v_slots := genflow\.claimable\(p_limit\);/g;
  for (const part of [lock, count]) {
    // Else this would be no mutant, and its race would be no proof.
    expect(definition.match(part), `${part} in claim_generations`).toHaveLength(1);
  }
  return definition.replace(lock, "").replace(
    count,
    `
    select least(p_limit, p.running_cap - (select count(*)::integer from genflow.attempts where closed_at is null))
      into v_slots from genflow.provider p where p.singleton for no key update;`,
  );
}
