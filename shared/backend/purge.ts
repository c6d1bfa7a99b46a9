// Removes objects that nobody should find any more, through the Storage API.

import { inTurn } from "./in-turn.ts";
import type { Line } from "./log.ts";
import type { Backend } from "./ports.ts";

/** Answers how many objects were removed. */
export function purgeDue(backend: Backend, limit: number): Promise<number> {
  return backend.log.step("purges", {}, (line) => purgeClaimed(backend, limit, line));
}

async function purgeClaimed({ kernel, store, newId }: Backend, limit: number, line: Line): Promise<number> {
  const claimId = newId();
  const { purges } = await kernel.claimPurges(claimId, limit);
  line.add({ purges: purges.length });
  const byBucket = [...Map.groupBy(purges, (purge) => purge.bucketId)];
  await inTurn(byBucket.map(([bucketId, ofBucket]) => async () => {
    await store.remove(bucketId, ofBucket.map(({ path }) => path));
    await kernel.recordPurge(claimId, ofBucket.map(({ id }) => id));
  }));
  return purges.length;
}
