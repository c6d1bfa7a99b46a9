/**
 * What a killed owner leaves: a Postgres that still runs on the data directory. It is ended before a new one
 * starts, but only when it is certainly ours: a server on this very data directory whose owner is gone.
 */
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { setTimeout as delay } from "node:timers/promises";

const run = promisify(execFile);
const pollMs = 20;
const fastShutdownMs = 10_000;

interface ProcessFacts {
  readonly parentPid: number;
  readonly command: string;
}

/** The file beside PGDATA that names the process which started the server. */
export function ownerFile(pgdata: string): string {
  return `${pgdata}.owner`;
}

export async function endOrphan(pgdata: string): Promise<void> {
  const lockFile = join(pgdata, "postmaster.pid");
  const text = await readFile(lockFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null; // stopped in order
    throw error;
  });
  if (text === null) return;
  const pid = Number(text.split("\n")[0]);
  const facts = await processFacts(pid);
  if (facts?.command.includes(pgdata)) {
    const ownerPid = Number(await readFile(ownerFile(pgdata), "utf8").catch(() => "0"));
    if (facts.parentPid === ownerPid) {
      throw new Error(`Postgres already runs on ${pgdata} (process ${pid}, started by process ${ownerPid}).`);
    }
    await endServer(pid);
  }
  // A crash leaves the file behind, and by now its pid may belong to anything: Postgres would refuse to start.
  await rm(lockFile, { force: true });
}

/** Fast shutdown (SIGINT), then an immediate one (SIGQUIT): crash recovery makes even that safe. */
export async function endServer(pid: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    if (!send(pid, signal)) return;
    const deadline = Date.now() + fastShutdownMs;
    while (Date.now() < deadline) {
      if (!send(pid, 0)) return;
      await delay(pollMs);
    }
  }
  throw new Error(`Postgres (process ${pid}) does not end.`);
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

async function processFacts(pid: number): Promise<ProcessFacts | null> {
  if (!Number.isInteger(pid) || pid <= 1) return null;
  try {
    return process.platform === "linux" ? await factsFromProc(pid) : await factsFromPs(pid);
  } catch {
    return null; // no such process
  }
}

/** Small containers have no `ps`, but every Linux has /proc. */
async function factsFromProc(pid: number): Promise<ProcessFacts> {
  const [commandLine, status] = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, "utf8"),
    readFile(`/proc/${pid}/status`, "utf8"),
  ]);
  return {
    parentPid: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]),
    command: commandLine.replaceAll("\0", " "),
  };
}

async function factsFromPs(pid: number): Promise<ProcessFacts> {
  const { stdout } = await run("ps", ["-o", "ppid=,args=", "-p", String(pid)]);
  const [, parentPid, command] = /^\s*(\d+)\s+(.*)/.exec(stdout) ?? [];
  return { parentPid: Number(parentPid), command: command ?? "" };
}
