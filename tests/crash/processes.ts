// What there is to kill: whole process trees, without a warning. Linux only: it reads /proc.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

interface Process {
  pid: number;
  parentPid: number;
  command: string;
}

const pollMs = 20;

function processes(): Process[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // After the command in parentheses, which may hold spaces: the state, then the parent.
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") return [];
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
      return [{ pid: Number(name), parentPid: Number(parent), command }];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

/** The functions' Deno processes of the stack in process `parentPid`, by name. */
export function functionProcesses(parentPid: number): { pid: number; name: string }[] {
  return processes().filter((each) => each.parentPid === parentPid).flatMap(({ pid, command }) => {
    const name = /\/functions\/([a-z-]+)\/index\.ts/.exec(command)?.[1];
    return name === undefined ? [] : [{ pid, name }];
  });
}

/** Null where none runs on `pgdata`. */
export function postmaster(pgdata: string): { pid: number; port: number } | null {
  let lines: string[];
  try {
    lines = readFileSync(join(pgdata, "postmaster.pid"), "utf8").split("\n");
  } catch {
    return null; // stopped in order
  }
  const pid = Number(lines[0]);
  const isIt = processes().some((each) => each.pid === pid && each.command.includes(pgdata));
  return isIt ? { pid, port: Number(lines[3]) } : null;
}

/** The server and each of its backends; answers how many processes that were. */
export async function killPostgres(pgdata: string): Promise<number> {
  const server = postmaster(pgdata);
  if (server === null) return 0;
  const pids = [
    server.pid,
    ...processes().filter(({ parentPid }) => parentPid === server.pid).map(({ pid }) => pid),
  ];
  for (const pid of pids) kill(pid);
  while (pids.some(lives)) await delay(pollMs);
  return pids.length;
}

export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended between the look and the signal.
  }
}

export function lives(pid: number): boolean {
  return processes().some((each) => each.pid === pid);
}

/** Whatever still names this folder, such as a server whose guard is not done. */
export function processesOf(folder: string): Process[] {
  return processes().filter(({ pid, command }) => pid !== process.pid && command.includes(folder));
}
