// `<dataDirectory>/stack.json`: which process runs a stack on this data, how to reach it, which children it has.
// Written so that a second start finds the first one, and a start after kill -9 ends what that one left behind.

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "./log.ts";

export interface StackInfo {
  url: string;
  publishableKey: string;
  secretKey: string;
  databaseUrl: string;
  adminUrl: string;
  /** Null with the real provider. */
  wavespeedUrl: string | null;
}

/** A process and something only it has: a pid alone is soon another process's. */
interface ProcessMark {
  pid: number;
  mark: string;
}

interface StateFile {
  owner: ProcessMark;
  children: ProcessMark[];
  /** Null while the stack is starting. */
  info: StackInfo | null;
}

export interface State {
  ready(info: StackInfo): void;
  children(pids: number[]): Promise<void>;
  remove(): void;
}

const END_TRIES = 100;
const END_POLL_MS = 20;
const ANSWER_MS = 2000;

/** Makes this process the owner of the data directory. Throws if another one that lives is. */
export async function claim(dataDirectory: string, log: Log): Promise<State> {
  const file = fileOf(dataDirectory);
  const earlier = read(file);
  if (earlier && await lives(earlier.owner)) {
    const where = earlier.info ? `runs at ${earlier.info.url}` : "is starting";
    throw new Error(`A stack of ${dataDirectory} ${where} (process ${earlier.owner.pid}).`);
  }
  if (earlier) await endOrphans(earlier.children, log);
  const owner = { pid: process.pid, mark: await markOf(process.pid) ?? "" };
  const state: StateFile = { owner, children: [], info: null };
  mkdirSync(dataDirectory, { recursive: true });
  const save = () => {
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(state, null, 2) + "\n", { mode: 0o600 }); // it holds the secret key
    renameSync(draft, file);
  };
  save();
  let removed = false;
  return {
    ready(info) {
      state.info = info;
      save();
    },
    async children(pids) {
      const marks = await Promise.all(pids.map(async (pid) => ({ pid, mark: await markOf(pid) })));
      if (removed) return;
      state.children = marks.filter((child): child is ProcessMark => child.mark !== null);
      save();
    },
    remove() {
      removed = true;
      rmSync(file, { force: true });
    },
  };
}

/** The stack that runs on this data directory, if there is one and it answers. */
export async function runningStack(dataDirectory: string): Promise<StackInfo | null> {
  const state = read(fileOf(dataDirectory));
  if (!state?.info || !await lives(state.owner)) return null;
  const answer = await fetch(`${state.info.url}/_status`, { signal: AbortSignal.timeout(ANSWER_MS) })
    .then(async (response) => await response.json() as { pid?: number }, () => null);
  return answer?.pid === state.owner.pid ? state.info : null;
}

function fileOf(dataDirectory: string): string {
  return join(dataDirectory, "stack.json");
}

function read(file: string): StateFile | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as StateFile;
  } catch {
    return null; // no stack yet, or a file that nobody can use
  }
}

/** Functions of a killed stack end by themselves when its pipe breaks; this is for one that hangs. */
async function endOrphans(children: ProcessMark[], log: Log): Promise<void> {
  for (const child of children) {
    for (let tries = 0; tries < END_TRIES && await lives(child); tries++) {
      if (tries === 0) log(`Ending process ${child.pid}, left by an earlier stack.`);
      try {
        process.kill(child.pid, "SIGKILL");
      } catch {
        // It ended between the question and the signal.
      }
      await delay(END_POLL_MS);
    }
  }
}

async function lives({ pid, mark }: ProcessMark): Promise<boolean> {
  return mark !== "" && await markOf(pid) === mark;
}

/** When the process started, or null when there is none (a zombie counts as none). */
async function markOf(pid: number): Promise<string | null> {
  if (process.platform !== "linux") {
    return await new Promise((resolve) => {
      execFile(
        "ps",
        ["-o", "lstart=", "-p", String(pid)],
        (error, output) => resolve(error ? null : output.trim()),
      );
    });
  }
  try {
    const [stat, bootId] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    ]);
    // After the command in parentheses, which may hold spaces: field 3 is the state, field 22 the start time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : `${bootId.trim()} ${fields[19]}`;
  } catch {
    return null; // no such process
  }
}
