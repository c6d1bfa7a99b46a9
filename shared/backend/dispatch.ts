// Hands ready jobs to the provider: claims under the caps, submits each, until there is nothing to claim.

import type { Line } from "./log.ts";
import type { Backend } from "./ports.ts";
import { submit } from "./submit.ts";

const claimLimit = 10;
/** One invocation's bound; what is left is the next dispatch's or the sweep's. */
const maxRounds = 10;
/** What one dispatch submits at most: as many as this, and there may be more. */
export const maxSubmits = maxRounds * claimLimit;
/** No round begins later: a slow provider takes 30 s of the wall clock a round, and a killed isolate leaves unknowns. */
const budgetMs = 20_000;

/** Answers how many attempts it submitted. Its transactions are its own: call it after what freed a slot has committed. */
export function dispatch(backend: Backend): Promise<number> {
  return backend.log.step("dispatch", {}, (line) => submitReady(backend, line));
}

async function submitReady(backend: Backend, line: Line): Promise<number> {
  const { kernel, newId, now } = backend;
  const startedMs = now();
  let submitted = 0;
  let waited = false;
  for (let round = 0; round < maxRounds && now() - startedMs < budgetMs; round++) {
    const { claims, skippedUserIds } = await kernel.claimGenerations(newId(), claimLimit);
    line.add({ rounds: round + 1, submits: submitted + claims.length });
    const outcomes = await Promise.allSettled(claims.map((claim) => submit(backend, claim)));
    // Only now: whoever keeps the isolate alive for us stops at the first failure, and the other POSTs are under way.
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    submitted += claims.length;
    if (claims.length > 0) continue;
    if (skippedUserIds.length === 0 || waited) break;
    // Their accounts were busy, perhaps with the very change that made them ready: wait once, then look again.
    await kernel.awaitAccounts(skippedUserIds);
    waited = true;
  }
  return submitted;
}
