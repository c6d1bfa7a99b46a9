// One Deno process that serves one function, within a hosted worker's limits.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../log.ts";
import type { FunctionEntry } from "./catalogue.ts";
import { listenToChild } from "./channel.ts";
import { denoArguments, denoBinary } from "./deno.ts";
import { createBudget, type WorkerLimits } from "./limits.ts";
import { beforeUnloadShare, watchUsage } from "./watch-usage.ts";

/** What made the host or V8 kill it; null for an end of its own making. */
export type Overrun = "wall_clock" | "cpu" | "memory" | null;

export interface FunctionProcess {
  readonly pid: number;
  /** Resolves to the port once it listens; rejects if it ends before. */
  readonly port: Promise<number>;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
  /** False once it may get no more requests. */
  readonly usable: boolean;
  /** Counts a request until the answer of this call is called. */
  enter(): () => void;
  /** For a request whose connection broke: which limit it was, once that can be known. */
  overrun(): Promise<Overrun>;
  /** No new requests; ends by itself when the running ones and their background work are done. */
  retire(): void;
  /** Background work may finish within `drainMs`, then it is killed. */
  stop(drainMs: number): Promise<void>;
  kill(): Promise<void>;
}

export interface ProcessOptions {
  entry: FunctionEntry;
  environment: Record<string, string>;
  denoDirectory: string;
  limits: WorkerLimits;
  log: Log;
}

/** V8's last words when its heap is full. */
const HEAP_FULL = /^# Fatal JavaScript out of memory/;
const LAST_WORDS_MS = 1000;

export function startProcess(options: ProcessOptions): FunctionProcess {
  const { entry, limits } = options;
  const log: Log = (line) => options.log(`[${entry.name}] ${line}`);
  const child = spawnDeno(options);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const closed = once(child, "close").then(() => {}, () => {});
  const budget = createBudget();
  let retired = false;
  let overrun: Overrun = null;

  const tell = (line: string) => {
    if (child.stdin?.writable) child.stdin.write(`${line}\n`);
  };
  let ending = false;
  const endWhenIdle = () => {
    if (!retired || ending || budget.running > 0) return;
    ending = true;
    tell("end early_drop");
  };
  const retire = () => {
    retired = true;
    endWhenIdle();
  };
  const overstep = (limit: Exclude<Overrun, null>, line: string) => {
    overrun ??= limit;
    log(`${line}, killed`);
    child.kill("SIGKILL");
  };

  const port = listenToChild(child, ended, (line) => {
    if (HEAP_FULL.test(line)) overrun ??= "memory";
    log(line);
  }, (message) => {
    const [what, value] = message.split(" ");
    if (what === "background") budget.background(value === "on");
    if (what === "idle" && !retired) {
      if (value !== "0") {
        log(`dropped ${value} unfinished timers and calls: all was answered and no waitUntil was open`);
      }
      retire();
    }
  });
  port.catch(() => {}); // whoever waits for it hears it too; nobody may be waiting

  const { wallClockMs } = limits;
  const timers = [
    setTimeout(retire, wallClockMs / 2),
    setTimeout(() => tell("beforeunload wall_clock"), wallClockMs * beforeUnloadShare),
    setTimeout(
      () => overstep("wall_clock", `wall clock of ${wallClockMs} ms reached`),
      wallClockMs,
    ),
  ];
  const stopWatching = watchUsage(child.pid ?? 0, port, {
    limits,
    charge: budget.charge,
    retire,
    tell,
    overstep,
    log,
  });
  void ended.then(() => {
    retired = true;
    for (const timer of timers) clearTimeout(timer);
    stopWatching();
  });

  return {
    pid: child.pid ?? 0,
    port,
    ended,
    get usable() {
      return !retired;
    },
    enter() {
      const leave = budget.enter();
      return () => {
        leave();
        endWhenIdle();
      };
    },
    async overrun() {
      // Its last words may come after its connections broke; a living one has none.
      await Promise.race([closed, delay(LAST_WORDS_MS, undefined, { ref: false })]);
      return overrun;
    },
    retire,
    async stop(drainMs) {
      retired = true;
      tell("end termination");
      const timer = setTimeout(() => child.kill("SIGKILL"), drainMs);
      await ended;
      clearTimeout(timer);
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function spawnDeno({ entry, environment, denoDirectory, limits }: ProcessOptions): ChildProcess {
  return spawn(denoBinary(), denoArguments(entry.directory, limits), {
    cwd: entry.directory,
    env: {
      ...environment,
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      DENO_DIR: denoDirectory,
      DENO_NO_UPDATE_CHECK: "1",
      DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0",
      NO_COLOR: "1",
    },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true, // Ctrl-C goes to the whole process group: the host, not the terminal, decides when this ends
  });
}
