// Removes objects that nobody should find any more, through the Storage API.

import { inTurn } from "./in-turn.ts";
import type { Backend } from "./ports.ts";

/** Answers how many objects were removed. */
export async function purgeDue({ kernel, store, newId }: Backend, limit: number): Promise<number> {
  const claimId = newId();
  const { purges } = await kernel.claimPurges(claimId, limit);
  const byBucket = [...Map.groupBy(purges, (purge) => purge.bucketId)];
  await inTurn(byBucket.map(([bucketId, ofBucket]) => async () => {
    await store.remove(bucketId, ofBucket.map(({ path }) => path));
    await kernel.recordPurge(claimId, ofBucket.map(({ id }) => id));
  }));
  return purges.length;
}
