// CPU time and memory of a process, asked from outside: one that computes without a break cannot answer for itself.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

export interface Usage {
  cpuMs: number;
  residentBytes: number;
}

const TICK_MS = 10; // USER_HZ is 100 on every Linux that Node runs on
/** Reading /proc costs microseconds, starting `ps` milliseconds. */
export const samplingMs = process.platform === "linux" ? 100 : 500;

/** Null once the process is gone. */
export function usageOf(pid: number): Promise<Usage | null> {
  return process.platform === "linux" ? Promise.resolve(fromProc(pid)) : fromPs(pid);
}

/** CPU time of the main thread alone, which runs the isolate: hosted counts no helper threads either. */
function fromProc(pid: number): Usage | null {
  try {
    const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, "utf8");
    // Not statm, which counts in pages of a size that only the kernel knows.
    const [, residentKilobytes] = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB$/m) ??
      [];
    // After the command in parentheses, which may hold spaces: fields 14 and 15 are user and system time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return {
      cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
      residentBytes: Number(residentKilobytes ?? 0) * 1024,
    };
  } catch {
    return null; // no such process
  }
}

/** macOS: all threads together, so an upper bound. */
async function fromPs(pid: number): Promise<Usage | null> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "time=,rss=", "-p", String(pid)])
    .catch(() => ({ stdout: "" })); // ps fails for a process that is gone
  const [time, kilobytes] = stdout.trim().split(/\s+/);
  if (!time || !kilobytes) return null;
  return { cpuMs: millisecondsOf(time), residentBytes: Number(kilobytes) * 1024 };
}

/** `[[days-]hours:]minutes:seconds[.hundredths]`, as ps prints CPU time. */
export function millisecondsOf(time: string): number {
  const [days, clock] = time.includes("-") ? time.split("-", 2) : ["0", time];
  const seconds = (clock ?? "").split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return (Number(days) * 86_400 + seconds) * 1000;
}
