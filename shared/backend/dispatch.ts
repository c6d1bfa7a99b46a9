// Hands ready jobs to the provider: claims under the caps, submits each, until there is nothing to claim.

import type { Backend } from "./ports.ts";
import { submit } from "./submit.ts";

const claimLimit = 10;
/** One invocation's bound; what is left is the next dispatch's or the sweep's. */
const maxRounds = 10;

/** Answers how many attempts it submitted. Its transactions are its own: call it after what freed a slot has committed. */
export async function dispatch(backend: Backend): Promise<number> {
  const { kernel, newId } = backend;
  let submitted = 0;
  let waited = false;
  for (let round = 0; round < maxRounds; round++) {
    const { claims, skippedUserIds } = await kernel.claimGenerations(newId(), claimLimit);
    await Promise.all(claims.map((claim) => submit(backend, claim)));
    submitted += claims.length;
    if (claims.length > 0) continue;
    if (skippedUserIds.length === 0 || waited) break;
    // Their accounts were busy, perhaps with the very change that made them ready: wait once, then look again.
    await kernel.awaitAccounts(skippedUserIds);
    waited = true;
  }
  return submitted;
}
