// The run's raw data in a file: settings, versions and every sample, for whoever wants to check a table.

import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "./environment.ts";
import type { Table } from "./table.ts";

/** What the project promises of a figure, and what came out here. */
export interface Verdict {
  promise: string;
  measured: string;
  kept: boolean;
  /** Nothing that a slow or busy machine could excuse: the run fails. */
  exact?: true;
}

export interface PartReport {
  part: string;
  seconds: number;
  settings: Readonly<Record<string, unknown>>;
  tables: readonly Table[];
  verdicts: readonly Verdict[];
  /** Every sample, in the shape that its part gives it. */
  samples: unknown;
  /** Set if the part did not come to its end; then there are no tables. */
  failure?: string;
}

export interface Report {
  topic: string;
  startedAt: string;
  quick: boolean;
  environment: Environment;
  parts: PartReport[];
  /** Deadlocks the server counted, by who was measured in the database. */
  deadlocks: Readonly<Record<string, number>>;
}

export function reportName({ topic, startedAt }: Pick<Report, "topic" | "startedAt">): string {
  return `${topic}-${startedAt.replaceAll(/[:.]/g, "-")}.json`;
}

/** Writes it whole or not at all, over what an earlier call wrote; answers the file's path. */
export async function writeReport(folder: string, report: Report): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, reportName(report));
  await writeFile(`${path}.part`, `${JSON.stringify(report, null, 1)}\n`);
  await rename(`${path}.part`, path);
  return path;
}
