// One Deno process that serves one function.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Log } from "../log.ts";
import type { FunctionEntry } from "./catalogue.ts";
import { denoArguments, denoBinary } from "./deno.ts";

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
  /** Hosted's lifetime of a worker: from half of it on no new requests, at its end killed. */
  wallClockMs: number;
  log: Log;
}

const LISTENING = /^Listening on http:\/\/127\.0\.0\.1:(\d+)\//;

export function startProcess(options: ProcessOptions): FunctionProcess {
  const { entry, environment, denoDirectory, wallClockMs, log } = options;
  const child = spawn(denoBinary(), denoArguments(entry.directory), {
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
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const port = portOf(child, ended, (line) => log(`[${entry.name}] ${line}`));
  port.catch(() => {}); // whoever waits for it hears it too; nobody may be waiting
  let running = 0;
  let retired = false;
  const endWhenIdle = () => {
    if (retired && running === 0) child.kill("SIGTERM");
  };
  const retire = () => {
    retired = true;
    endWhenIdle();
  };
  const halfLife = setTimeout(retire, wallClockMs / 2);
  const life = setTimeout(() => {
    log(`[${entry.name}] wall clock of ${wallClockMs} ms reached, killed`);
    child.kill("SIGKILL");
  }, wallClockMs);
  void ended.then(() => {
    retired = true;
    clearTimeout(halfLife);
    clearTimeout(life);
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return {
    pid: child.pid ?? 0,
    port,
    ended,
    get usable() {
      return !retired;
    },
    enter() {
      running++;
      let inside = true;
      return () => {
        if (inside) running--;
        inside = false;
        endWhenIdle();
      };
    },
    retire,
    async stop(drainMs) {
      retired = true;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), drainMs);
      await ended;
      clearTimeout(timer);
    },
    kill,
  };
}

/** Deno says where it listens on stderr; every other line is the function's own and goes to the log. */
function portOf(child: ChildProcess, ended: Promise<void>, log: Log): Promise<number> {
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on("line", (line) => {
        const [, port] = line.match(LISTENING) ?? [];
        if (port === undefined) log(line);
        else resolve(Number(port));
      });
    }
    child.stdin?.on("error", () => {/* the process went first; its exit is what counts */});
    void once(child, "error").then(([error]) => reject(error as Error), reject);
    void ended.then(() => reject(new Error("the function's process ended before it listened")));
  });
}
