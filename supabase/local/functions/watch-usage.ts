// Holds a function's process to the limits of CPU time and memory.

import type { Log } from "../log.ts";
import type { WorkerLimits } from "./limits.ts";
import { samplingMs, type Usage, usageOf } from "./usage.ts";

/** As on hosted, a function may tidy up when this much of a limit is used. */
export const beforeUnloadShare = 0.9;

interface Watching {
  limits: WorkerLimits;
  charge(cpuMs: number): number;
  retire(): void;
  tell(line: string): void;
  overstep(limit: "cpu" | "memory", line: string): void;
  log: Log;
}

/** Samples CPU time and memory from when it listens, and acts at each share of a limit once. Answers how to stop. */
export function watchUsage(pid: number, port: Promise<number>, watching: Watching): () => void {
  const { limits, charge, retire, tell, overstep, log } = watching;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let booted: Usage | null = null;
  let last: Usage | null = null;
  const done = new Set<string>();
  const onceAt = (name: string, reached: boolean, act: () => void) => {
    if (!reached || done.has(name)) return;
    done.add(name);
    act();
  };
  const sample = async () => {
    const now = await usageOf(pid);
    if (now === null || stopped) return;
    if (booted !== null && last !== null) {
      const spent = charge(now.cpuMs - last.cpuMs);
      const grown = now.residentBytes - booted.residentBytes;
      const { cpuSoftMs, cpuHardMs, memoryBytes } = limits;
      onceAt("cpu soft", spent >= cpuSoftMs, () => {
        log(`CPU time soft limit of ${cpuSoftMs} ms reached`);
        retire();
      });
      onceAt("cpu warning", spent >= cpuHardMs * beforeUnloadShare, () => tell("beforeunload cpu"));
      onceAt(
        "cpu",
        spent >= cpuHardMs,
        () => overstep("cpu", `CPU time hard limit of ${cpuHardMs} ms reached`),
      );
      onceAt("memory half", grown >= memoryBytes / 2, retire);
      onceAt(
        "memory warning",
        grown >= memoryBytes * beforeUnloadShare,
        () => tell("beforeunload memory"),
      );
      onceAt(
        "memory",
        grown >= memoryBytes,
        () => overstep("memory", `memory limit of ${memoryBytes} bytes reached`),
      );
    }
    booted ??= now;
    last = now;
    timer = setTimeout(next, samplingMs);
  };
  const next = () => void sample().catch((error: unknown) => log(`not measured: ${String(error)}`));
  port.then(next, () => {/* it ended before it listened: there is nothing to measure */});
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
