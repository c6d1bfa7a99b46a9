// What a run tells.

import type { Report } from "./run.ts";

export function tableOf(report: Report): string {
  const { deliveries, seconds, statuses, verdicts, drawn, settled, slowestMs, peakResidentBytes } = report;
  return [
    ...table("answered", statuses),
    ...table("what it was", verdicts),
    ...table("drawn", drawn),
    `${deliveries} deliveries in ${seconds.toFixed(1)} s: ${
      Math.round(deliveries / seconds)
    } a second, the slowest ${Math.round(slowestMs)} ms`,
    `${settled} attempts settled, each as a signed delivery said; the function's memory stayed below ${
      Math.ceil(peakResidentBytes / 2 ** 20)
    } MiB`,
  ].join("\n");
}

function table<Key extends string | number>(title: string, counts: Map<Key, number>): string[] {
  const lines = [...counts].sort(([a], [b]) => String(a).localeCompare(String(b)));
  return [`${title}:`, ...lines.map(([name, count]) => `  ${String(count).padStart(7)}  ${name}`), ""];
}
