// The most memory a process ever had resident, as Linux keeps count of it: no sample can miss a peak.

import { readFileSync } from "node:fs";

export function peakBytesOf(pid: number): number {
  const [, kilobytes] = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmHWM:\s+(\d+) kB$/m) ?? [];
  if (kilobytes === undefined) throw new Error(`nothing is known of the memory of ${pid}`);
  return Number(kilobytes) * 1024;
}
