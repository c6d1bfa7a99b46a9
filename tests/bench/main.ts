// `npm run bench [-- <topic>] [-- --only <part>] [--quick]`: measures, prints tables and writes the raw data to a file.

import { relative, resolve } from "node:path";
import { admission } from "./admission/topic.ts";
import { readArguments, type Request } from "./arguments.ts";
import { describeEnvironment, readEnvironment } from "./environment.ts";
import { type Ground, openGround } from "./ground.ts";
import type { Part } from "./part.ts";
import { persist } from "./persist/topic.ts";
import { profile } from "./profile/topic.ts";
import { type PartReport, type Report, type Verdict, writeReport } from "./report.ts";
import { fullSizes, quickSizes, type Sizes } from "./sizes.ts";
import { renderTable } from "./table.ts";

const root = resolve(import.meta.dirname, "../..");
const output = resolve(root, "output/bench");
/** A part that would begin later is left out: a run that nobody waits for is run by nobody. */
const lastBeginMs = 10 * 60_000;
const deadlineMs = 12 * 60_000;

const topics: Readonly<Record<string, readonly Part[]>> = { admission, persist, profile };

const request = ask();
if (request) await carryOut(request);

function ask(): Request | null {
  try {
    return readArguments(
      process.argv.slice(2),
      Object.fromEntries(
        Object.entries(topics).map(([topic, parts]) => [topic, parts.map(({ name }) => name)]),
      ),
    );
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
    return null;
  }
}

async function carryOut({ topic, parts, quick }: Request): Promise<void> {
  const begin = performance.now();
  const startedAt = new Date().toISOString();
  const ground = await openGround();
  closeOnEnd(ground);
  try {
    const environment = await readEnvironment(ground.admin);
    console.log(`${topic}${quick ? " (quick: the figures mean little)" : ""}, ${startedAt}`);
    console.log(describeEnvironment(environment));
    const report: Report = { topic, startedAt, quick, environment, parts: [], deadlocks: {} };
    for (const part of topics[topic]!.filter(({ name }) => parts.includes(name))) {
      const measured = performance.now() - begin > lastBeginMs
        ? leftOut(part)
        : await measure(ground, part, quick ? quickSizes : fullSizes);
      report.parts.push(measured);
      print(measured);
      // After each part: an interrupted run keeps what it has.
      report.deadlocks = await ground.deadlocks();
      await writeReport(output, report);
    }
    conclude(report, await writeReport(output, report), performance.now() - begin);
  } finally {
    await ground.close();
  }
}

/** However it ends, the server and its data go. */
function closeOnEnd(ground: Ground): void {
  const end = (code: number, why?: string) => {
    if (why !== undefined) console.error(why);
    void ground.close().finally(() => process.exit(code));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end(130));
  // A peer's own connection may fail where only the process hears of it.
  process.once("uncaughtException", (error) => end(1, error.stack ?? error.message));
  setTimeout(
    () => end(1, `Ended after ${deadlineMs / 60_000} minutes; the parts before are in output/bench.`),
    deadlineMs,
  )
    .unref();
}

function leftOut({ name }: Part): PartReport {
  const failure = `not measured: ${lastBeginMs / 60_000} minutes were over`;
  return { part: name, seconds: 0, settings: {}, tables: [], verdicts: [], samples: null, failure };
}

async function measure(ground: Ground, part: Part, sizes: Sizes): Promise<PartReport> {
  const begin = performance.now();
  const seconds = () => (performance.now() - begin) / 1000;
  try {
    const finding = await part.measure(ground, sizes);
    return { part: part.name, seconds: seconds(), ...finding };
  } catch (error) {
    // The other parts are still worth having; the exit code tells.
    const failure = error instanceof Error ? error.stack ?? error.message : String(error);
    return {
      part: part.name,
      seconds: seconds(),
      settings: {},
      tables: [],
      verdicts: [],
      samples: null,
      failure,
    };
  }
}

function print({ part, seconds, tables, failure }: PartReport): void {
  console.log(`\n== ${part} (${seconds.toFixed(0)} s)`);
  if (failure !== undefined) console.log(`FAILED: ${failure}`);
  for (const table of tables) console.log(`\n${renderTable(table)}`);
}

function conclude(report: Report, path: string, elapsedMs: number): void {
  const verdicts = [...report.parts.flatMap(({ verdicts }) => verdicts), verdictOnDeadlocks(report)];
  console.log(`\n${
    renderTable({
      title: "Promises",
      columns: ["", "promised", "measured"],
      rows: verdicts.map(({ promise, measured, kept }) => [kept ? "kept" : "NOT KEPT", promise, measured]),
    })
  }`);
  console.log(`\n${(elapsedMs / 1000).toFixed(0)} s in all. Every sample: ${relative(process.cwd(), path)}`);
  const isBroken = verdicts.some(({ kept, exact }) => exact && !kept);
  if (isBroken || report.parts.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}

function verdictOnDeadlocks({ deadlocks }: Report): Verdict {
  return {
    promise: "no deadlock (pg_stat_database.deadlocks has not moved)",
    measured: Object.entries(deadlocks).map(([owner, count]) => `${owner} ${count}`).join(", "),
    kept: deadlocks["genflow"] === 0,
    exact: true,
  };
}
