// How fast a large picture is stored, against the least that could be done with it.

import type { Finding } from "../part.ts";
import type { Sizes } from "../sizes.ts";
import { median, summarize } from "../statistics.ts";
import { startTransfers, type Transfers, type Way } from "./transfers.ts";

const promisedShare = 0.8;

/** One round's milliseconds. */
type Round = Record<Way, number>;

export async function measureSpeed(sizes: Sizes["persist"]): Promise<Finding> {
  const transfers = await startTransfers([sizes.smallBytes, sizes.largeBytes]);
  try {
    for (let warmUp = 0; warmUp < sizes.warmUps; warmUp++) await round(transfers, sizes.largeBytes);
    const rounds: Round[] = [];
    for (let each = 0; each < sizes.rounds; each++) rounds.push(await round(transfers, sizes.largeBytes));
    const share = median(rounds.map(({ pipe, persist }) => pipe / persist));
    const fastest = (way: Way) => Math.min(...rounds.map((each) => each[way]));
    return {
      settings: { ...sizes },
      tables: [{
        title: `Speed: a picture of ${sizes.largeBytes / 2 ** 20} MiB from the provider into Storage`,
        columns: ["way", "p50 ms", "fastest ms", "p50 MiB/s"],
        rows: (["pipe", "persist"] as const).map((way) => {
          const ms = summarize(rounds.map((each) => each[way]));
          return [way, ms.median, ms.min, sizes.largeBytes / 2 ** 20 / (ms.median / 1000)];
        }),
        notes: [
          `${sizes.rounds} rounds of one transfer each way, after ${sizes.warmUps} to warm up; both in a warm process. ` +
          "Persist looks at each byte; pipe never enters JavaScript and can announce its length, which Deno does for " +
          "no stream of JavaScript's.",
        ],
      }],
      verdicts: [{
        promise: `storing reaches ${promisedShare * 100} % of a plain pipe's speed`,
        measured: `${(100 * share).toFixed(0)} % (the median of the rounds), ${
          (100 * fastest("pipe") / fastest("persist")).toFixed(0)
        } % (each way's fastest)`,
        kept: share >= promisedShare,
      }],
      samples: rounds,
    };
  } finally {
    await transfers.stop();
  }
}

async function round(transfers: Transfers, bytes: number): Promise<Round> {
  const pipe = await transfers.transfer("pipe", bytes);
  return { pipe, persist: await transfers.transfer("persist", bytes) };
}
