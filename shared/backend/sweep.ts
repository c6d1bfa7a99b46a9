// The sweep function's work: what SQL found due and cannot do itself.

import { dispatch } from "./dispatch.ts";
import type { Line } from "./log.ts";
import { persistDue } from "./persist.ts";
import { pollDue } from "./poll.ts";
import type { Backend } from "./ports.ts";
import { purgeDue } from "./purge.ts";

/** Begun before this, all but a slow download still ends within the shortest wall clock (150 s); the rest is found again. */
const budgetMs = 90_000;
const batch = 10;
const purgeBatch = 100;

const steps: readonly [name: string, step: (backend: Backend) => Promise<number>, batch: number][] = [
  ["polls", (backend) => pollDue(backend, batch), batch],
  ["persists", persistDue, 1],
  ["submits", dispatch, Infinity],
  ["purges", (backend) => purgeDue(backend, purgeBatch), purgeBatch],
  ["balance", askBalance, Infinity],
];

/** Goes through every step until it has nothing due or the time is spent; a step that fails stops no other. */
export function sweep(backend: Backend): Promise<{ counts: Record<string, number>; errors: number }> {
  return backend.log.step("sweep", {}, (line) => sweepDue(backend, line));
}

async function sweepDue(
  backend: Backend,
  line: Line,
): Promise<{ counts: Record<string, number>; errors: number }> {
  const startedMs = backend.now();
  const counts: Record<string, number> = {};
  let errors = 0;
  for (const [name, step, batchSize] of steps) {
    let done = 0;
    let more = true;
    while (more && backend.now() - startedMs < budgetMs) {
      try {
        const moved = await step(backend);
        done += moved;
        more = moved >= batchSize;
      } catch {
        // Told by the step's own line.
        errors++;
        more = false;
      }
    }
    counts[name] = done;
  }
  const { polls, persists, submits, purges, balance } = counts;
  line.add({ outcome: errors === 0 ? "done" : "partly_failed" });
  line.add({ polls, persists, submits, purges, balances: balance, errors });
  await backend.kernel.recordSweep({ startedAt: new Date(startedMs).toISOString(), counts, errors });
  return { counts, errors };
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
