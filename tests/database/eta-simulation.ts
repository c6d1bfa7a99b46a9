// A queue, simulated on the real kernel: users who come at random and tap several times, a provider whose service times
// are log-normal around each model's median, callbacks of which some get lost, tasks that fail, pauses. Every start's
// etaSeconds is kept and compared with what it took. The same seed gives the same run.

import type { Ground } from "./eta-ground.ts";

export interface Load {
  /** True median service time of each model, in seconds: what the catalogue should say. */
  medians: Record<string, number>;
  userIds: string[];
  jobs: number;
  /** Mean seconds between two users who come; each then taps 1 to `maxTaps` times, some seconds apart. */
  secondsBetweenVisits: number;
  maxTaps: number;
  /** [when, how long] the provider asks to wait. */
  pauses: [atSeconds: number, seconds: number][];
  lostCallbacks: number;
  failedTasks: number;
}

export interface Estimate {
  startedAt: number;
  modelId: string;
  position: number;
  etaSeconds: number;
  actualSeconds: number;
}

const sweepSeconds = 10;
const spread = 0.35;
const storingMedianSeconds = 1.5;
const secondsBetweenTaps = 3;

export async function simulate(ground: Ground, load: Load, seed: number): Promise<Estimate[]> {
  const random = seeded(seed);
  const around = (median: number) => median * Math.exp(spread * normal(random));
  const events = new Agenda();
  const started = new Map<string, Omit<Estimate, "actualSeconds">>();
  const results = new Map<string, { jobId: string; at: number; failed: boolean }>();
  const estimates: Estimate[] = [];
  let now = 0;
  let unfinished = load.jobs;

  async function dispatch(): Promise<void> {
    for (const { attemptId, jobId, modelId } of await ground.dispatch()) {
      const at = now + around(load.medians[modelId]!);
      results.set(attemptId, { jobId, at, failed: random() < load.failedTasks });
      if (random() >= load.lostCallbacks) events.add(at, () => settle(attemptId, false));
    }
  }
  async function settle(attemptId: string, polled: boolean): Promise<void> {
    const { jobId, failed } = results.get(attemptId)!;
    if (await ground.result(attemptId, polled, failed ? "provider_error" : null)) {
      events.add(now + around(storingMedianSeconds), async () => {
        await ground.store(attemptId);
        const start = started.get(jobId)!;
        estimates.push({ ...start, actualSeconds: now - start.startedAt });
        unfinished--;
        await dispatch();
      });
    }
    await dispatch();
  }
  async function sweep(): Promise<void> {
    events.add(now + sweepSeconds, sweep);
    await ground.sweep();
    for (const attemptId of await ground.duePolls()) {
      if (results.get(attemptId)!.at <= now) await settle(attemptId, true);
    }
    await dispatch();
  }
  async function tap(userId: string, modelId: string): Promise<void> {
    const { jobId, position, etaSeconds } = await ground.start(userId, modelId);
    started.set(jobId, { startedAt: now, modelId, position, etaSeconds });
    await dispatch();
  }

  const models = Object.keys(load.medians);
  let visitAt = 0;
  for (let jobs = 0; jobs < load.jobs;) {
    visitAt -= Math.log(1 - random()) * load.secondsBetweenVisits;
    const userId = load.userIds[Math.floor(random() * load.userIds.length)]!;
    const taps = Math.min(load.jobs - jobs, 1 + Math.floor(random() * load.maxTaps));
    for (let at = visitAt, count = 0; count < taps; count++, jobs++) {
      const modelId = models[Math.floor(random() * models.length)]!;
      events.add(at, () => tap(userId, modelId));
      at += random() * 2 * secondsBetweenTaps;
    }
  }
  for (const [at, seconds] of load.pauses) events.add(at, async () => void await ground.pause(seconds));
  events.add(sweepSeconds, sweep);

  await ground.begin();
  while (unfinished > 0) {
    const next = events.take();
    now = next.at;
    await ground.at(now);
    await next.happen();
  }
  return estimates;
}

export interface Errors {
  jobs: number;
  /** Of |eta - actual| / actual. */
  median: number;
  p90: number;
  withinFactor2: number;
  /** Median of eta / actual: above 1 promises too late, below 1 too early. */
  bias: number;
}

export function errorsOf(estimates: Estimate[]): Errors {
  const errors = estimates.map((each) => Math.abs(each.etaSeconds - each.actualSeconds) / each.actualSeconds);
  const ratios = estimates.map((each) => each.etaSeconds / each.actualSeconds);
  return {
    jobs: estimates.length,
    median: quantile(errors, 0.5),
    p90: quantile(errors, 0.9),
    withinFactor2: ratios.filter((ratio) => ratio >= 0.5 && ratio <= 2).length / ratios.length,
    bias: quantile(ratios, 0.5),
  };
}

function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))]!;
}

/** What happens when; at one time, in the order of adding. */
class Agenda {
  readonly #events: { at: number; happen: () => Promise<void> }[] = [];

  add(at: number, happen: () => Promise<void>): void {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      // Latest first, so that the next one is the last.
      if (this.#events[middle]!.at > at) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { at, happen });
  }
  take(): { at: number; happen: () => Promise<void> } {
    const event = this.#events.pop();
    if (event === undefined) throw new Error("nothing is left to happen, and not every job has ended");
    return event;
  }
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
}
