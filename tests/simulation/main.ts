// `npm run simulate`: seeds 1 to 200, or as told. Ends with the number of violations; a failure prints its seed and
// what led to it.
//
//   --seed N      the first seed, 1
//   --seeds M     how many, 200
//   --workers W   processes, 2
//   --resume      goes on with a range that was stopped: its progress stands in output/simulation/
//   --trail L     lines of the trail that a failure prints, 80
//   --mutants     takes each defence out and looks for the seed that notices, in at most 500 seeds
//   --only TEXT   with --mutants: those whose name contains it

import { parseArgs } from "node:util";
import { type Ground, layGround } from "./ground.ts";
import { huntMutants } from "./mutants.ts";
import { type Pool, startPool } from "./pool.ts";
import { fingerprint, type Progress, progressFile, readProgress, writeProgress } from "./progress.ts";
import type { Result } from "./run.ts";
import { addResult, reportOf } from "./tally.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "200" },
    workers: { type: "string", default: "2" },
    resume: { type: "boolean", default: false },
    trail: { type: "string", default: "80" },
    mutants: { type: "boolean", default: false },
    only: { type: "string", default: "" },
  },
});
const firstSeed = positive("seed", values.seed);
const seeds = positive("seeds", values.seeds);
const workers = positive("workers", values.workers);
const batchSize = 10;
const maxFailures = 5;

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`--${name} wants a whole number above 0, not '${text}'`);
  process.exit(2);
}

const ground = await layGround();
try {
  process.exitCode = values.mutants
    ? await huntMutants(ground, { workers, only: values.only })
    : await simulate(ground);
} finally {
  await ground.stop();
}

async function simulate(ground: Ground): Promise<number> {
  const file = progressFile(firstSeed, seeds);
  const current = await fingerprint();
  const progress = values.resume ? await readProgress(file, current) : await readProgress("", current);
  const done = new Set(progress.done);
  const waiting: number[] = [];
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += batchSize) {
    if (!done.has(seed)) waiting.push(seed);
  }
  const pool = await startPool(ground, { name: "seeds", workers });
  try {
    await Promise.all(Array.from({ length: workers }, () => work(pool, waiting, progress, file)));
  } finally {
    pool.stop();
  }
  console.log(reportOf(progress.tally));
  return progress.tally.failures.length === 0 ? 0 : 1;
}

async function work(pool: Pool, waiting: number[], progress: Progress, file: string): Promise<void> {
  for (let first = waiting.shift(); first !== undefined; first = waiting.shift()) {
    if (progress.tally.failures.length >= maxFailures) return;
    const length = Math.min(batchSize, firstSeed + seeds - first);
    const batch = Array.from({ length }, (_, at) => first! + at);
    for (const result of await pool.run(batch, false)) {
      addResult(progress.tally, result);
      tell(result);
    }
    progress.done.push(first);
    if (seeds > batchSize) await writeProgress(file, progress);
    if (process.stdout.isTTY) process.stdout.write(`\r${progress.tally.seeds}/${seeds}`);
  }
}

function tell(result: Result): void {
  if (seeds <= batchSize) console.log(`seed ${result.seed} has the trail ${result.trailHash}`);
  if (result.violations.length === 0) return;
  console.log([
    `seed ${result.seed}: ${result.violations.length} violations (again: npm run simulate -- --seed ${result.seed} --seeds 1)`,
    ...result.trail.slice(-Number(values.trail)),
    ...result.violations,
  ].join("\n"));
}
