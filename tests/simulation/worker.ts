// Runs seeds for main.ts on a database of its own: a process, since the simulated time is a process's.

import { openDatabase } from "./ground.ts";
import { type Result, runSeed } from "./run.ts";
import { installTime } from "./time.ts";

export interface Order {
  seeds: number[];
  /** Stop at the first seed that is not right. */
  isHunt: boolean;
}
export interface Done {
  results: Result[];
}

const [port = "", name = ""] = process.argv.slice(2);
const database = openDatabase(Number(port), name);
installTime();

process.on("message", async ({ seeds, isHunt }: Order) => {
  const results: Result[] = [];
  for (const seed of seeds) {
    const result = await runSeed(database, seed);
    results.push(result.violations.length > 0 ? result : { ...result, trail: [] });
    if (isHunt && result.violations.length > 0) break;
  }
  process.send!({ results } satisfies Done);
});
process.on("disconnect", () => process.exit(0));
