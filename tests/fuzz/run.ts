// A run: deliveries of one seed in batches, several on their way at once, and after each batch a look at what became of
// every attempt.

import { type Answer, openConnection } from "./connection.ts";
import { type Aim, type Delivery, drawDelivery } from "./delivery.ts";
import type { Aimed, Ground } from "./ground.ts";
import { createModel, type Found, type Model } from "./model.ts";
import { judge, type Secrets } from "./oracle.ts";

export interface RunOptions {
  seed: number;
  /** Number of the first delivery: 0, or that of one that is to be seen again. */
  first: number;
  count: number;
  onProgress?: (report: Report) => void;
}

export interface Report {
  deliveries: number;
  seconds: number;
  /** Answers by status; 0 stands for a connection closed without one, which only a broken request may meet. */
  statuses: Map<number, number>;
  /** Verdicts of the oracle. */
  verdicts: Map<string, number>;
  /** How often each kind of change was drawn. */
  drawn: Map<string, number>;
  settled: number;
  slowestMs: number;
  /** Of the function's processes, looked at after each batch. */
  peakResidentBytes: number;
  failures: string[];
}

const batchSize = 500;
const connections = 8;
/** Targets by their slot, so that a delivery draws the same one in each run. */
const slots = [...Array.from({ length: 12 }, () => true), ...Array.from({ length: 6 }, () => false)];
const maxFailures = 20;

interface Running {
  ground: Ground;
  seed: number;
  model: Model;
  targets: Aimed[];
  attempts: Set<string>;
  report: Report;
}

export async function fuzz(ground: Ground, { seed, first, count, onProgress }: RunOptions): Promise<Report> {
  const report: Report = {
    deliveries: 0,
    seconds: 0,
    statuses: new Map(),
    verdicts: new Map(),
    drawn: new Map(),
    settled: 0,
    slowestMs: 0,
    peakResidentBytes: 0,
    failures: [],
  };
  const running: Running = { ground, seed, model: createModel(), targets: [], attempts: new Set(), report };
  const startedMs = performance.now();
  for (let from = first; from < first + count && report.failures.length < maxFailures; from += batchSize) {
    await refill(running);
    await deliver(running, from, Math.min(from + batchSize, first + count));
    await look(running);
    report.seconds = (performance.now() - startedMs) / 1000;
    onProgress?.(report);
  }
  await closeDown(running);
  return report;
}

async function refill({ ground, model, targets, attempts }: Running): Promise<void> {
  for (const hasTask of [true, false]) {
    const empty = slots.flatMap((wanted, at) => {
      const target = targets[at];
      return wanted === hasTask && (target === undefined || !model.isFresh(target)) ? [at] : [];
    });
    if (empty.length === 0) continue;
    const fresh = await ground.aim(empty.length, hasTask);
    model.add(fresh);
    for (const [index, at] of empty.entries()) {
      targets[at] = fresh[index]!;
      attempts.add(fresh[index]!.attemptId);
    }
  }
}

async function deliver(running: Running, from: number, to: number): Promise<void> {
  const { ground: { stack } } = running;
  let next = from;
  await Promise.all(Array.from({ length: connections }, async () => {
    const connection = openConnection(Number(new URL(stack.url).port));
    while (next < to) {
      const delivery = drawDelivery(running.seed, next++, aimOf(running));
      note(running, delivery, await connection.send(delivery.wire, delivery.isBroken));
    }
    connection.close();
  }));
}

function aimOf({ ground: { stack, keys }, targets }: Running): Aim {
  return {
    targets,
    webhookSecret: keys.providerWebhookSecret,
    callbackSecret: keys.callbackSecret,
    outputsUrl: `${stack.wavespeedUrl}/output`,
    host: new URL(stack.url).host,
    atSeconds: Math.floor(Date.now() / 1000),
  };
}

function note(
  { ground: { keys }, seed, model, attempts, report }: Running,
  delivery: Delivery,
  answer: Answer,
): void {
  const secrets: Secrets = { webhookSecret: keys.providerWebhookSecret, callbackSecret: keys.callbackSecret };
  const verdict = judge(delivery, secrets, attempts);
  if (verdict.statement !== null) model.tell(verdict.statement);
  report.deliveries++;
  count(report.statuses, answer.status);
  count(report.verdicts, verdict.why);
  for (const [part, how] of Object.entries(delivery.what)) count(report.drawn, `${part}: ${how}`);
  report.slowestMs = Math.max(report.slowestMs, answer.ms);
  if (verdict.statuses.includes(answer.status)) return;
  report.failures.push(
    `--seed ${seed} --first ${delivery.index} --count 1: answered ${answer.status}, not ${
      verdict.statuses.join("/")
    } (${verdict.why}); drawn ${JSON.stringify(delivery.what)}`,
  );
}

function count<Key>(table: Map<Key, number>, key: Key): void {
  table.set(key, (table.get(key) ?? 0) + 1);
}

/** What the database says of every attempt. */
async function look({ ground, seed, model, report }: Running): Promise<void> {
  const rows = await ground.sql<FoundRow[]>`
    select a.id, a.task_id, a.result_status, a.output_urls, a.flagged, j.status
    from genflow.attempts a join public.generation_jobs j on j.id = a.job_id`;
  const found = rows.map(foundOf);
  report.settled = found.filter(({ result }) => result !== null).length;
  report.failures.push(
    ...model.compare(found).map((problem) => `seed ${seed}, by delivery ${report.deliveries}: ${problem}`),
  );
  report.peakResidentBytes = Math.max(report.peakResidentBytes, await ground.residentBytes());
}

interface FoundRow {
  id: string;
  task_id: string | null;
  result_status: string | null;
  output_urls: string[];
  flagged: boolean[];
  status: string;
}

function foundOf({ id, task_id, result_status, output_urls, flagged, status }: FoundRow): Found {
  const result = result_status === null ? null : { status: result_status, outputs: output_urls, flagged };
  return { attemptId: id, taskId: task_id, result, jobStatus: status };
}

/** Every promise holds, no process was lost, and a callback as the provider sends it still gets through. */
async function closeDown({ ground, seed, report }: Running): Promise<void> {
  const broken = await ground.sql<{ rule: string }[]>`
    select rule from ops.invariant_violations where promise not in (4, 7)`;
  report.failures.push(...broken.map(({ rule }) => `seed ${seed}: ${rule}`));
  report.failures.push(
    ...ground.said.filter((line) => lost.test(line)).map((line) => `seed ${seed}: ${line}`),
  );
}

/** A caller that left before its request was whole is answered to nobody. */
const lost = /killed|did not start|Uncaught|panicked|"status":5\d\d(?!.*"outcome":"aborted")/;
