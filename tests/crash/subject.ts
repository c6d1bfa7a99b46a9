// The stack that is killed and started again, seen from outside.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { resolveDataHome } from "../../supabase/local/postgres/home.ts";
import { functionProcesses, kill, killPostgres, lives, postmaster, processesOf } from "./processes.ts";
import { wallClockSeconds } from "./settings.ts";
import { type Asked, Told } from "./stack.ts";

export interface Address {
  url: string;
  adminUrl: string;
  publishableKey: string;
  secretKey: string;
}

export type Part = "postgres" | "function" | "gateway";

export interface Subject {
  /** How to reach it; the last known while it is down. */
  address(): Address;
  /** One look into its database, over a connection that is closed again. */
  query<Result>(look: (sql: postgres.Sql) => Promise<Result>): Promise<Result>;
  /** SIGKILL; answers what that was. `choice` is at least 0 and below 1. */
  kill(part: Part, choice: number): Promise<string>;
  /** Starts again what was killed. */
  restore(): Promise<void>;
  /** Lines of the database's log that no crash explains. */
  databaseFaults(): Promise<string[]>;
  stop(): Promise<void>;
}

export interface SubjectOptions {
  dataDirectory: string;
  port: number;
  env: Record<string, string>;
  say: (line: string) => void;
}

const answerMs = 120_000;
const endMs = 30_000;
const pollMs = 50;
const unexplained = /deadlock detected|could not (read|write|open|fsync)|PANIC|invalid page|corrupt/i;

export async function startSubject(options: SubjectOptions): Promise<Subject> {
  const { dataDirectory, port, env, say } = options;
  const pgdata = join(await resolveDataHome(dataDirectory), "postgres-17");
  const faults: string[] = [];
  let child: ChildProcess | null = null;
  let address: Address | null = null;

  const start = async () => {
    const starting = child = spawnStack(say);
    starting.once("exit", () => {
      if (child === starting) child = null;
    });
    const answer = nextAnswer(starting);
    starting.send({ dataDirectory, port, env, wallClockMs: wallClockSeconds * 1000 } satisfies Asked);
    const told = await answer;
    if (told.kind !== "ready") {
      throw new Error(`The stack: ${told.kind === "failed" ? told.message : told.kind}`);
    }
    if (new URL(told.url).port !== String(port)) throw new Error(`Port ${port} was taken meanwhile.`);
    address = told;
  };
  /** Each start of the server begins its log anew. */
  const readLog = async () => {
    const log = await readFile(`${pgdata}.log`, "utf8").catch(() => ""); // before the first start
    faults.push(...log.split("\n").filter((line) => unexplained.test(line)));
  };
  const endChild = async (signal: "SIGTERM" | "SIGKILL") => {
    const ending = child;
    child = null;
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return;
    const ended = once(ending, "exit");
    ending.kill(signal);
    const forced = setTimeout(() => ending.kill("SIGKILL"), endMs);
    await ended;
    clearTimeout(forced);
  };

  await start();
  return {
    address: () => known(address),
    async query(look) {
      const sql = postgres(known(address).adminUrl, { max: 1, onnotice: () => {} });
      try {
        return await look(sql);
      } finally {
        await sql.end();
      }
    },
    async kill(part, choice) {
      if (part === "postgres") return `Postgres with ${await killPostgres(pgdata)} processes`;
      const functions = functionProcesses(child?.pid ?? 0).sort((a, b) => a.name.localeCompare(b.name));
      const one = functions[Math.floor(choice * functions.length)];
      if (part === "function" && one !== undefined) {
        kill(one.pid);
        return `the function ${one.name}`;
      }
      await endChild("SIGKILL");
      return "the gateway, and with it Realtime, Storage, pg_cron, pg_net and the functions' host";
    },
    async restore() {
      // The stand-ins do not outlive their database: postgres.js 3.4.9 throws or hangs on a connection that was reset
      // between two of its writes.
      if (postmaster(pgdata) === null) await endChild("SIGKILL");
      if (child !== null) return;
      await readLog();
      await start();
    },
    async databaseFaults() {
      await readLog();
      return faults;
    },
    async stop() {
      await endChild("SIGTERM");
      const deadline = Date.now() + endMs;
      while (processesOf(dataDirectory).length > 0 && Date.now() < deadline) await delay(pollMs);
      for (const { pid } of processesOf(dataDirectory)) kill(pid);
      while (processesOf(dataDirectory).some(({ pid }) => lives(pid))) await delay(pollMs);
    },
  };
}

function known(address: Address | null): Address {
  if (address === null) throw new Error("The stack has not started yet.");
  return address;
}

function spawnStack(say: (line: string) => void): ChildProcess {
  const child = fork(join(import.meta.dirname, "stack.ts"), { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  child.once("exit", (code, signal) => say(`the stack's process has ended (${code ?? signal})`));
  child.on("error", (error) => say(`the stack's process: ${error.message}`));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => say(`the stack's process: ${text.trim()}`));
  child.on("message", (message) => {
    const told = Told.parse(message);
    if (told.kind === "said") say(told.line);
  });
  return child;
}

function nextAnswer(child: ChildProcess): Promise<Told> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      child.off("message", onMessage);
      child.off("exit", onExit);
    };
    const onMessage = (message: unknown) => {
      const told = Told.parse(message);
      if (told.kind === "said") return;
      done();
      resolve(told);
    };
    const onExit = () => {
      done();
      reject(new Error("The stack's process ended by itself."));
    };
    const timer = setTimeout(() => {
      done();
      reject(new Error("The stack does not answer."));
    }, answerMs);
    child.on("message", onMessage);
    child.on("exit", onExit);
  });
}
