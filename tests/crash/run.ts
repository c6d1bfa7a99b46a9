// Rounds of load, kill and restart; then quiet until everything has ended; then the checks.

import { createServer } from "node:net";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { stillOpen } from "../database/properties/invariants.ts";
import { type Random, seeded } from "../simulation/random.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { brokenPromises, checks, historyOf, purgesLeft, summaryOf } from "./check.ts";
import { invitePeople, type People } from "./people.ts";
import { type Provider, startProvider } from "./provider.ts";
import { shortenTimes } from "./settings.ts";
import { type Part, startSubject, type Subject } from "./subject.ts";

export interface CrashOptions {
  seed: number;
  rounds: number;
  signal: AbortSignal;
}

export interface Outcome {
  passed: number;
  failed: number;
}

const users = 4;
const runningCap = 6;
const limitMs = 30 * 60_000;
/** For what is under way to end by itself: the longest of the shortened times, and room for a busy machine. */
const quietMs = 8 * 60_000;
/** After a restart, for the next tap to be answered. */
const serviceMs = 60_000;
const lookMs = 1000;
const maxTrailLines = 150;
const parts: readonly Part[] = ["postgres", "function", "gateway"];

interface Running {
  random: Random;
  subject: Subject;
  provider: Provider;
  say: (line: string) => void;
  signal: AbortSignal;
}

export async function crash({ seed, rounds, signal }: CrashOptions): Promise<Outcome> {
  const startedMs = Date.now();
  const trail: string[] = [];
  const say = (line: string) => void trail.push(`${((Date.now() - startedMs) / 1000).toFixed(1)} s  ${line}`);
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const folder = await temporaryFolder();
  const provider = await startProvider({ latencyMs: 600, concurrency: runningCap });
  const closing: (() => Promise<void>)[] = [() => provider.stop(), () => folder.remove()];
  const outcome = { passed: 0, failed: 0 };
  const fail = (what: string, problems: string[]) => {
    outcome.failed++;
    console.log(
      `✗ ${what} (seed ${seed})\n${problems.slice(0, 10).map((problem) => `    ${problem}`).join("\n")}`,
    );
  };
  try {
    const subject = await startSubject({ dataDirectory: folder.path, ...await connectionsOf(provider), say });
    closing.unshift(() => subject.stop());
    await subject.query((sql) => shortenTimes(sql, runningCap));
    const people = await invitePeople({ seed, count: users, address: subject.address, say });
    closing.unshift(() => people.stop());
    const running: Running = { random: seeded(seed), subject, provider, say, signal: bounded };
    for (let round = 1; round <= rounds; round++) {
      const problems = await runRound(running, round, people);
      if (problems.length === 0) outcome.passed++;
      else fail(`round ${round}`, problems);
    }
    await people.stop();
    await becomeQuiet(running);
    await checkAll(running, people, outcome, fail);
    console.log(await told(running, people, startedMs));
  } catch (error) {
    if (signal.aborted) say(`interrupted: ${String(signal.reason)}`);
    fail("the run", [error instanceof Error ? error.stack ?? error.message : String(error)]);
  } finally {
    for (const close of closing) {
      await close().catch((error: unknown) => fail("the end", [String(error)]));
    }
  }
  if (outcome.failed > 0) {
    console.log(`The last of what happened:\n${trail.slice(-maxTrailLines).join("\n")}`);
  }
  return outcome;
}

async function connectionsOf(provider: Provider): Promise<{ port: number; env: Record<string, string> }> {
  const port = await freePort();
  return {
    port,
    // As with the real provider, which is outside of the stack too.
    env: {
      WAVESPEED_API_KEY: provider.apiKey,
      WAVESPEED_BASE_URL: provider.url,
      WAVESPEED_WEBHOOK_SECRETS: provider.webhookSecret,
      PUBLIC_WEBHOOK_URL: `http://127.0.0.1:${port}/functions/v1/wavespeed-webhook`,
    },
  };
}

/** Kept over all restarts: the users and the provider know the address. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** Answers what is wrong after it. */
async function runRound(running: Running, round: number, people: People): Promise<string[]> {
  const { random, subject, provider, say, signal } = running;
  signal.throwIfAborted();
  provider.change({
    latencyMs: random.integer(100, 2000),
    dropCallbacks: random.integer(0, 1),
    badSignatures: random.integer(0, 1),
    duplicateCallbacks: random.integer(0, 1),
    dropSubmitAnswers: random.chance(0.2) ? 1 : 0,
  });
  const part = random.pick(parts);
  const [loadMs, choice, downMs] = [random.integer(100, 2500), random.unit(), random.integer(0, 1500)];
  await delay(loadMs, undefined, { signal });
  const answeredBefore = people.promised.length;
  say(`round ${round}: killed ${await subject.kill(part, choice)}`);
  await delay(downMs, undefined, { signal });
  await subject.restore();
  say(`round ${round}: restored after ${downMs} ms, ${people.promised.length} taps answered so far`);
  const answered = await happens(() => people.promised.length > answeredBefore, serviceMs, signal);
  const problems = await subject.query((sql) => brokenPromises(sql));
  if (!answered) problems.push(`nobody was answered within ${serviceMs / 1000} s after ${part} was killed`);
  return problems;
}

async function happens(
  condition: () => boolean | Promise<boolean>,
  withinMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (!await condition()) {
    if (Date.now() > deadline) return false;
    await delay(lookMs / 10, undefined, { signal });
  }
  return true;
}

/** Nobody starts anything any more; callbacks, polls and sweeps go on. */
async function becomeQuiet({ subject, provider, say, signal }: Running): Promise<void> {
  provider.change({
    dropCallbacks: 0,
    badSignatures: 0,
    duplicateCallbacks: 0,
    dropSubmitAnswers: 0,
    latencyMs: 300,
  });
  say("the users have left");
  let open: string[] = [];
  let purges = 0;
  const startedMs = Date.now();
  const isQuiet = await happens(
    async () => {
      [open, purges] = await subject.query(async (sql) => [await stillOpen(sql), await purgesLeft(sql)]);
      return open.length === 0 && purges === 0;
    },
    quietMs,
    signal,
  );
  const seconds = Math.round((Date.now() - startedMs) / 1000);
  say(isQuiet ? `quiet after ${seconds} s` : `not quiet: ${purges} purges, ${open.slice(0, 20).join("; ")}`);
}

async function checkAll(
  { subject, provider }: Running,
  people: People,
  outcome: Outcome,
  fail: (what: string, problems: string[]) => void,
): Promise<void> {
  const evidence = {
    promised: people.promised,
    tasksOfAttempt: provider.tasksOfAttempt,
    address: subject.address(),
  };
  const found: [string, string[]][] = await subject.query(async (sql) => {
    const all: [string, string[]][] = [];
    for (const [name, check] of Object.entries(checks)) {
      const problems = await check(sql, evidence);
      const jobId = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(problems[0] ?? "")?.[0];
      const history = jobId === undefined ? [] : await historyOf(sql, jobId);
      all.push([name, [...problems, ...history]]);
    }
    return all;
  });
  found.push(["the database met nothing that a crash does not explain", await subject.databaseFaults()]);
  found.push(["every answer was one that the app knows", people.faults]);
  for (const [name, problems] of found) {
    console.log(`${problems.length === 0 ? "✓" : "✗"} ${name}`);
    if (problems.length === 0) outcome.passed++;
    else fail(name, problems);
  }
}

async function told({ subject, provider }: Running, people: People, startedMs: number): Promise<string> {
  const jobs = await subject.query((sql) => summaryOf(sql));
  return `${people.promised.length} answers to taps, ${people.unanswered} calls without one; ${jobs}; ${provider.tasksOfAttempt.size} provider tasks; ${
    Math.round((Date.now() - startedMs) / 1000)
  } s`;
}
