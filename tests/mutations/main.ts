// `npm run mutate`: takes one guard after the other out of the migrations and sees whether anything notices. Ends with
// N passed, N failed: a mutant that nothing noticed has failed.
//
//   --only <text>   mutants whose file, kind or statement contains it
//   --fine          cuts grants and revokes role by role too (about three times as many)
//   --shard i/n     every n-th mutant, from the i-th on
//   --verbose       a line for each mutant, not only for the unnoticed

import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Defaults, defaults } from "../attack/defaults.ts";
import { startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { type Candidate, judges, judgesOf } from "./judges.ts";
import { type Mutant, readMutants } from "./mutants.ts";
import { openWorkbench, type Workbench } from "./workbench.ts";

const migrations = resolve(import.meta.dirname, "../../supabase/migrations");
const workers = 2;
const unnoticed = "UNNOTICED";

interface Verdict {
  mutant: Mutant;
  /** What noticed it, by default privileges; null if nothing did. */
  caughtBy: string | null;
}

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    fine: { type: "boolean", default: false },
    shard: { type: "string", default: "1/1" },
    verbose: { type: "boolean", default: false },
  },
});
const [shard = 1, shards = 1] = values.shard.split("/").map(Number);
const mutants = (await readMutants(migrations, { fine: values.fine }))
  .filter(({ file, kind, what }) => `${file} ${kind} ${what}`.includes(values.only))
  .filter((_, index) => index % shards === shard - 1);

const folder = await temporaryFolder();
const cluster = await startCluster({ dataDirectory: folder.path });
try {
  const bench = await openWorkbench({
    cluster,
    migrations,
    folder: folder.path,
    privileges: [...defaults],
  });
  await checkJudges(bench);
  const verdicts = await judgeAll(bench);
  report(verdicts);
} finally {
  await cluster.stop();
  await folder.remove();
}

/** Whoever finds fault with the unchanged migrations would catch every mutant. */
async function checkJudges(bench: Workbench): Promise<void> {
  for (const mode of defaults) {
    const database = await bench.original(mode);
    for (const judge of judges.filter(({ slow }) => !slow)) {
      const fault = await judge.find({ cluster, database, migrations, privileges: mode });
      if (fault !== null) throw new Error(`${judge.name} fails on the unchanged migrations: ${fault}`);
    }
    await bench.drop(database);
  }
}

async function judgeAll(bench: Workbench): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const waiting = mutants[Symbol.iterator]();
  const work = async () => {
    for (const mutant of waiting) {
      const caughtBy = await judge(bench, mutant);
      verdicts.push({ mutant, caughtBy });
      if (values.verbose || caughtBy === null) console.log(`${caughtBy ?? unnoticed}: ${line(mutant)}`);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return verdicts;
}

/** The cheap judges first, under one kind of default privileges after the other, until one notices. */
async function judge(bench: Workbench, mutant: Mutant): Promise<string | null> {
  const candidates = new Map<Defaults, Candidate>();
  const candidate = async (mode: Defaults): Promise<Candidate | null> => {
    const known = candidates.get(mode);
    if (known) return known;
    const built = await bench.build(mutant, mode);
    if ("failure" in built) return null;
    const made = { cluster, ...built, privileges: mode };
    candidates.set(mode, made);
    return made;
  };
  try {
    for (const { name, find, once } of judgesOf(mutant.kind)) {
      for (const mode of once ? defaults.slice(0, 1) : defaults) {
        const made = await candidate(mode);
        if (made === null) return "the migration fails";
        if (await find(made) !== null) return once ? name : `${name} (${mode} defaults)`;
      }
    }
    return null;
  } finally {
    for (const { database } of candidates.values()) await bench.drop(database);
  }
}

function report(verdicts: Verdict[]): void {
  const counts = new Map<string, number>();
  for (const { mutant, caughtBy } of verdicts) {
    const key = `${mutant.kind}: ${caughtBy ?? unnoticed}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, count] of [...counts].sort()) console.log(`${String(count).padStart(4)}  ${key}`);
  const failed = verdicts.filter(({ caughtBy }) => caughtBy === null).length;
  console.log(`${verdicts.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && verdicts.length > 0 ? 0 : 1;
}

function line({ file, line, kind, what }: Mutant): string {
  return `${join("supabase/migrations", file)}:${line} ${kind}: ${what}`;
}
