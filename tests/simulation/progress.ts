// What a long range of seeds has come to so far, so that it can be stopped and gone on with.

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { emptyTally, type Tally } from "./tally.ts";

const project = resolve(import.meta.dirname, "../..");
/** All that decides what a seed does. */
const sources = [
  "supabase/migrations",
  "shared/backend",
  "shared/wavespeed",
  "shared/contract",
  "tests/simulation",
];

export interface Progress {
  /** Of the sources: a seed means nothing for other ones. */
  fingerprint: string;
  /** First seeds of the batches that are done. */
  done: number[];
  tally: Tally;
}

export async function fingerprint(): Promise<string> {
  const hash = createHash("sha256");
  for (const source of sources) {
    const files = await readdir(join(project, source), { recursive: true, withFileTypes: true });
    for (
      const file of files.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
        .toSorted()
    ) {
      hash.update(file.slice(project.length)).update(await readFile(file));
    }
  }
  return hash.digest("hex");
}

export function progressFile(firstSeed: number, seeds: number): string {
  return join(project, "output/simulation", `seeds-${firstSeed}-${seeds}.json`);
}

/** What stands in the file, if it is of these sources; else a beginning. */
export async function readProgress(file: string, current: string): Promise<Progress> {
  const text = await readFile(file, "utf8").catch(() => null);
  const kept = text === null ? null : JSON.parse(text) as Progress;
  return kept?.fingerprint === current ? kept : { fingerprint: current, done: [], tally: emptyTally() };
}

/** Whole or not at all. */
export async function writeProgress(file: string, progress: Progress): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, JSON.stringify(progress));
  await rename(`${file}.part`, file);
}
