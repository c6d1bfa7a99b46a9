// What many seeds add up to.

import { type Fault, faultNames } from "./faults.ts";
import type { Result } from "./run.ts";

export interface Tally {
  seeds: number;
  simulatedSeconds: number;
  events: number;
  faults: Partial<Record<Fault, number>>;
  checks: Record<string, number>;
  jobs: Record<string, number>;
  tasks: number;
  tasksPerJob: Record<string, number>;
  /** In the seed that had the fewest. */
  least: { users: number; jobs: number; faults: number };
  undelivered: Record<string, number>;
  creditsDrift: number;
  failures: Failure[];
}

export interface Failure {
  seed: number;
  violations: string[];
}

export function emptyTally(): Tally {
  return {
    seeds: 0,
    simulatedSeconds: 0,
    events: 0,
    faults: {},
    checks: {},
    jobs: {},
    tasks: 0,
    tasksPerJob: {},
    least: { users: Infinity, jobs: Infinity, faults: Infinity },
    undelivered: {},
    creditsDrift: 0,
    failures: [],
  };
}

function addAll(to: Partial<Record<string, number>>, from: Partial<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) to[name] = (to[name] ?? 0) + (count ?? 0);
}

function sumOf(counts: Partial<Record<string, number>>): number {
  return Object.values(counts).reduce((sum: number, count) => sum + (count ?? 0), 0);
}

export function addResult(tally: Tally, result: Result): void {
  tally.seeds++;
  tally.simulatedSeconds += result.simulatedSeconds;
  tally.events += result.events;
  addAll(tally.faults, result.faults);
  addAll(tally.checks, result.checks);
  if (result.outcome !== null) {
    addAll(tally.jobs, result.outcome.jobs);
    addAll(tally.undelivered, result.outcome.undelivered);
    addAll(tally.tasksPerJob, result.outcome.tasksPerJob);
    tally.tasks += result.outcome.tasks;
    const { least } = tally;
    least.users = Math.min(least.users, result.users);
    least.jobs = Math.min(least.jobs, result.accepted);
    least.faults = Math.min(least.faults, sumOf(result.faults));
    tally.creditsDrift += Math.abs(result.outcome.creditsDrift);
  }
  if (result.violations.length > 0) tally.failures.push({ seed: result.seed, violations: result.violations });
}

const promises: Record<string, string> = {
  1: "one tap, one job",
  2: "one task an attempt, no second while the first may exist",
  3: "one job, one charge",
  4: "every job ends in time",
  5: "nobody has another's picture, and nothing is left behind",
  6: "no claim over a cap",
  7: "no one starves",
  8: "the profile becomes right",
  9: "no words in a log",
};

export function reportOf(tally: Tally): string {
  const jobs = sumOf(tally.jobs);
  const { least } = tally;
  const table = (title: string, rows: [string, number][]) =>
    [title, ...rows.map(([name, count]) => `  ${count.toLocaleString("en").padStart(11)}  ${name}`)].join(
      "\n",
    );
  const byCount = (counts: Partial<Record<string, number>>) =>
    Object.entries(counts).map(([name, count]): [string, number] => [name, count ?? 0]).toSorted((a, b) =>
      b[1] - a[1]
    );
  return [
    table("Faults that changed what somebody saw", faultNames.map((name) => [name, tally.faults[name] ?? 0])),
    table(
      "Promises, how often looked at",
      Object.entries(promises).map(([n, name]) => [`${n} ${name}`, tally.checks[n] ?? 0]),
    ),
    table("Jobs by their end", byCount(tally.jobs)),
    table(
      "Jobs by their provider tasks",
      Object.entries(tally.tasksPerJob).map(([tasks, count]) => [`with ${tasks}`, count]),
    ),
    table("Paid but not delivered, by cause", byCount(tally.undelivered)),
    `${tally.seeds} seeds, ${jobs} jobs, ${tally.tasks} provider tasks (${
      (tally.tasks / Math.max(1, jobs)).toFixed(3)
    } a job), ` +
    `${Math.round(tally.simulatedSeconds / 3600)} simulated hours, ${
      tally.events.toLocaleString("en")
    } events`,
    `in each seed at least ${least.users} users, ${least.jobs} jobs and ${least.faults} faults`,
    `credits drift ${tally.creditsDrift}`,
    `${tally.failures.reduce((sum, { violations }) => sum + violations.length, 0)} violations`,
  ].join("\n\n");
}
