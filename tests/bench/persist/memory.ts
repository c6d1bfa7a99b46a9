// What a large picture adds to the most memory that a function's process ever had.

import type { Finding } from "../part.ts";
import type { Sizes } from "../sizes.ts";
import { summarize } from "../statistics.ts";
import { startTransfers, type Transfers, type Way } from "./transfers.ts";

const mebibyte = 2 ** 20;
const promisedMiB = 16;

interface Growth {
  way: Way;
  /** After the small picture. */
  smallMiB: number;
  /** By the large one. */
  grownMiB: number;
}

export async function measureMemory(sizes: Sizes["persist"]): Promise<Finding> {
  const transfers = await startTransfers([sizes.smallBytes, sizes.largeBytes]);
  try {
    const growths: Growth[] = [];
    for (let process = 0; process < sizes.processes; process++) {
      for (const way of ["persist", "pipe"] as const) growths.push(await growthOf(transfers, way, sizes));
    }
    const grown = (way: Way) =>
      summarize(growths.filter((each) => each.way === way).map(({ grownMiB }) => grownMiB));
    const small = (way: Way) =>
      summarize(growths.filter((each) => each.way === way).map(({ smallMiB }) => smallMiB));
    const { median } = grown("persist");
    return {
      settings: { ...sizes },
      tables: [{
        title: `Memory: a picture of ${sizes.largeBytes / mebibyte} MiB after one of ${
          sizes.smallBytes / mebibyte
        }`,
        columns: ["way", "peak MiB, small", "grown MiB, p50", "max"],
        rows: (["persist", "pipe"] as const).map((way) => [
          way,
          small(way).median.toFixed(1),
          grown(way).median.toFixed(1),
          grown(way).max.toFixed(1),
        ]),
        notes: [
          `Peak resident memory (VmHWM) of a function's process, ${sizes.processes} fresh processes each way. Pipe: one ` +
          "fetch's body as another's, which never enters JavaScript; its process has loaded nothing of the backend.",
        ],
      }],
      verdicts: [{
        promise: `storing a picture of 45 MB adds less than ${promisedMiB} MB to the peak after one of 1 MB`,
        measured: `${median.toFixed(1)} MiB`,
        kept: median < promisedMiB,
      }],
      samples: growths,
    };
  } finally {
    await transfers.stop();
  }
}

async function growthOf(transfers: Transfers, way: Way, sizes: Sizes["persist"]): Promise<Growth> {
  await transfers.renew(way);
  await transfers.transfer(way, sizes.smallBytes);
  const smallMiB = transfers.peakBytes(way) / mebibyte;
  await transfers.transfer(way, sizes.largeBytes);
  return { way, smallMiB, grownMiB: transfers.peakBytes(way) / mebibyte - smallMiB };
}
