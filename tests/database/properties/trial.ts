// How often a property is tried, and with which seed.
//
// `npm test` tries the same values each time, so that it fails for what was changed and for nothing else; where many
// connections race, the server still interleaves them anew. To look further:
//   GENFLOW_PROPERTY_RUNS=500 vitest run --project database properties/     each property, so often, with new values
// A failure prints its seed, its path and the shrunk counterexample. The same again:
//   GENFLOW_PROPERTY_SEED=<seed> GENFLOW_PROPERTY_PATH=<path> vitest run --project database properties/<file> -t "<test>"
// and, for commands, GENFLOW_PROPERTY_REPLAY=<the replayPath printed after them>. GENFLOW_PROPERTY_SHRINK=no ends at the first failure.

import fc from "fast-check";
import { test } from "vitest";

const usualSeed = 20_261_123;
const secondsOneTrial = 5;
const millisecondsToShrink = 60_000;
const millisecondsToReport = 60_000;

/** A test that holds for every value: `runs` of them by default, each on a database that has just been emptied. */
export function trial<Values extends [unknown, ...unknown[]]>(
  name: string,
  runs: number,
  property: () => fc.IAsyncPropertyWithHooks<Values>,
  /** What the usual runs must have met together, so that the property did not hold for want of cases. */
  hasMetAll: () => void | Promise<void> = () => {},
): void {
  const moreRuns = process.env["GENFLOW_PROPERTY_RUNS"];
  const numRuns = Number(moreRuns ?? runs);
  const askedSeed = process.env["GENFLOW_PROPERTY_SEED"];
  const seed = askedSeed ? Number(askedSeed) : moreRuns ? undefined : usualSeed;
  const path = process.env["GENFLOW_PROPERTY_PATH"];
  // Shrinking ends by itself before the test's time does: a test that times out would not print the seed.
  const interruptAfterTimeLimit = millisecondsToShrink + numRuns * secondsOneTrial * 1000;
  test(name, async () => {
    await fc.assert(property(), {
      numRuns,
      interruptAfterTimeLimit,
      markInterruptAsFailure: true,
      endOnFailure: process.env["GENFLOW_PROPERTY_SHRINK"] === "no",
      ...(seed === undefined ? {} : { seed }),
      ...(path === undefined ? {} : { path }),
    });
    // Other values, or fewer, need not meet everything.
    if (seed === usualSeed && numRuns >= runs) await hasMetAll();
  }, interruptAfterTimeLimit + millisecondsToReport);
}
