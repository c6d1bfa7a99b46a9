// Claimers that race for slots, and two ways of seeing a cap passed: a list of who holds what, kept where the claims'
// answers arrive, and a watcher that counts in the database meanwhile.

import { setTimeout as delay } from "node:timers/promises";
import type postgres from "postgres";

export interface Breaches {
  claims: number;
  /** Most jobs at once: between a claim's answer and the begin of the call that ends it. Never more than there were. */
  heldMax: number;
  /** Most jobs at once in one look of the watcher. */
  watchedMax: number;
  looks: number;
  /** Claims after which more was held than the cap allows. */
  violations: number;
}

export interface Tally {
  claimed(jobs: number): void;
  /** To be called before a job's end is asked for: from then on it may have ended. */
  ending(jobs: number): void;
  read(): Pick<Breaches, "claims" | "heldMax" | "violations">;
}

export function createTally(cap: number): Tally {
  let held = 0;
  let claims = 0;
  let heldMax = 0;
  let violations = 0;
  return {
    claimed(jobs) {
      held += jobs;
      claims += jobs;
      heldMax = Math.max(heldMax, held);
      if (jobs > 0 && held > cap) violations++;
    },
    ending(jobs) {
      held -= jobs;
    },
    read: () => ({ claims, heldMax, violations }),
  };
}

/** Between two looks: the watcher must not take a core from those it watches. */
const lookPauseMs = 2;

/** Counts over and over until it is stopped; answers the most it saw. */
export function watch(
  sql: postgres.Sql,
  count: string,
): () => Promise<Pick<Breaches, "watchedMax" | "looks">> {
  let going = true;
  let watchedMax = 0;
  let looks = 0;
  const watching = (async () => {
    while (going) {
      const [row] = await sql.unsafe<{ count: string }[]>(count, [], { prepare: true });
      watchedMax = Math.max(watchedMax, Number(row!.count));
      looks++;
      await delay(lookPauseMs);
    }
  })();
  watching.catch(() => going = false);
  return async () => {
    going = false;
    await watching;
    return { watchedMax, looks };
  };
}
