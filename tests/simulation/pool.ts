// Worker processes, each with a database; seeds are handed out in batches.

import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type postgres from "postgres";
import type { Ground } from "./ground.ts";
import type { Result } from "./run.ts";
import type { Done, Order } from "./worker.ts";

export interface Pool {
  run(batch: number[], isHunt: boolean): Promise<Result[]>;
  readonly size: number;
  stop(): void;
}

export async function startPool(
  ground: Ground,
  options: { name: string; workers: number; alter?: (sql: postgres.Sql) => Promise<void> },
): Promise<Pool> {
  const idle: ChildProcess[] = [];
  const all: ChildProcess[] = [];
  const ended = new Map<ChildProcess, string | number | null>();
  for (let number = 0; number < options.workers; number++) {
    const name = `simulation_${options.name}_${number}`;
    await ground.makeDatabase(name, options.alter);
    const child = fork(join(import.meta.dirname, "worker.ts"), [String(ground.port), name], {
      stdio: "inherit",
      // Most of what a seed makes is garbage at once.
      execArgv: [...process.execArgv, "--max-semi-space-size=64"],
    });
    // While it is idle, nobody waits for its answer.
    child.once("exit", (code, signal) => ended.set(child, signal ?? code));
    all.push(child);
    idle.push(child);
  }
  return {
    size: options.workers,
    run(seeds, isHunt) {
      const child = idle.pop();
      if (child === undefined) throw new Error("every worker is busy");
      if (ended.has(child)) throw new Error(`a worker died with ${ended.get(child)}`);
      return new Promise((resolve, reject) => {
        const died = () =>
          reject(new Error(`a worker died with ${ended.get(child)} in seeds ${seeds.join(", ")}`));
        child.once("exit", died);
        child.once("message", ({ results }: Done) => {
          child.off("exit", died);
          idle.push(child);
          resolve(results);
        });
        child.send({ seeds, isHunt } satisfies Order);
      });
    },
    stop() {
      for (const child of all) child.disconnect();
    },
  };
}
