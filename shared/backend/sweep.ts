// The sweep function's work: what SQL found due and cannot do itself.

import { dispatch, maxSubmits } from "./dispatch.ts";
import type { Line } from "./log.ts";
import { persistDue } from "./persist.ts";
import { pollDue } from "./poll.ts";
import type { Backend } from "./ports.ts";
import { purgeDue } from "./purge.ts";

/** Begun before this, all but a slow download still ends within the shortest wall clock (150 s); the rest is found again. */
const budgetMs = 90_000;
const batch = 10;
const purgeBatch = 100;
/** A round's share of what nobody came for: a backlog must not take the project's CPU from its users. */
const maxThumbnails = 4;
/** A sweep's share: each picture costs CPU time, 45 MiB a tenth of the second or two after which a worker is killed. */
const maxPersists = 10;

const steps: readonly [
  name: string,
  step: (backend: Backend, hasTime: () => boolean) => Promise<number>,
  batch: number,
  /** In one sweep; the rest is there at the next. */
  most?: number,
][] = [
  ["polls", (backend) => pollDue(backend, batch), batch],
  // Before the submits, which wait while the provider's balance is low.
  ["balance", askBalance, Infinity],
  // Before the storing, which takes its time: what the polls have freed is used at once.
  ["submits", dispatch, maxSubmits],
  // Before the storing, which wakes for its own.
  ["thumbnails", wakeThumbnails, Infinity],
  ["persists", persistNext, 1, maxPersists],
  ["purges", (backend) => purgeDue(backend, purgeBatch), purgeBatch],
];

/** Goes round the steps, a batch of each, until none has anything due or the time is spent; one that fails stops no other. */
export function sweep(backend: Backend): Promise<{ counts: Record<string, number>; errors: number }> {
  return backend.log.step("sweep", {}, (line) => sweepDue(backend, line));
}

async function sweepDue(
  backend: Backend,
  line: Line,
): Promise<{ counts: Record<string, number>; errors: number }> {
  const startedMs = backend.now();
  const counts: Record<string, number> = Object.fromEntries(steps.map(([name]) => [name, 0]));
  let errors = 0;
  const hasTime = () => backend.now() - startedMs < budgetMs;
  let waiting = [...steps];
  // In turns: a backlog of one kind must not keep another from its share of the time.
  while (waiting.length > 0 && hasTime()) {
    const unfinished: typeof waiting = [];
    for (const step of waiting) {
      if (!hasTime()) break;
      const [name, work, batchSize, most = Infinity] = step;
      try {
        const moved = await work(backend, hasTime);
        const sum = counts[name] = (counts[name] ?? 0) + moved;
        if (moved >= batchSize && sum < most) unfinished.push(step);
      } catch {
        // Told by the step's own line.
        errors++;
      }
    }
    waiting = unfinished;
  }
  const { polls, persists, submits, thumbnails, purges, balance } = counts;
  line.add({ outcome: errors === 0 ? "done" : "partly_failed" });
  line.add({ polls, persists, submits, thumbnails, purges, balances: balance, errors });
  await backend.kernel.recordSweep({ startedAt: new Date(startedMs).toISOString(), counts, errors });
  return { counts, errors };
}

/** A stored job has freed one of its user's slots. */
async function persistNext(backend: Backend, hasTime: () => boolean): Promise<number> {
  const stored = await persistDue(backend);
  if (stored > 0 && hasTime()) {
    await dispatch(backend).catch(() => {
      // Told by its own line; what is stored is stored, and there may be more of it.
    });
  }
  return stored;
}

function wakeThumbnails(backend: Backend): Promise<number> {
  return backend.log.step("thumbnails", {}, async (line) => {
    const { thumbnails = 0 } = await backend.kernel.workDue();
    const woken = Math.min(thumbnails, maxThumbnails);
    line.add({ thumbnails: woken });
    if (woken > 0) backend.wakeThumbnails(woken);
    return woken;
  });
}

function askBalance({ kernel, provider, log }: Backend): Promise<number> {
  return log.step("balance", {}, async (line) => {
    const due = await kernel.workDue();
    if ((due["balance"] ?? 0) === 0) {
      line.add({ outcome: "not_due" });
      return 0;
    }
    const answer = await provider.balance();
    if (answer.kind !== "ok") {
      line.add({ outcome: answer.kind });
      return 0;
    }
    await kernel.recordProviderBalance(answer.value.balanceUsd);
    return 1;
  });
}
