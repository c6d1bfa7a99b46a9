// The sweep function's work: what SQL found due and cannot do itself.

import { dispatch } from "./dispatch.ts";
import { errorName } from "./log.ts";
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
export async function sweep(backend: Backend): Promise<{ counts: Record<string, number>; errors: number }> {
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
      } catch (error) {
        errors++;
        more = false;
        backend.log("sweep_step_failed", { step: name, error: errorName(error) });
      }
    }
    counts[name] = done;
  }
  await backend.kernel.recordSweep({ startedAt: new Date(startedMs).toISOString(), counts, errors });
  backend.log("sweep", { ...counts, errors });
  return { counts, errors };
}

async function askBalance({ kernel, provider }: Backend): Promise<number> {
  const due = await kernel.workDue();
  if ((due["balance"] ?? 0) === 0) return 0;
  const answer = await provider.balance();
  if (answer.kind !== "ok") return 0;
  await kernel.recordProviderBalance(answer.value.balanceUsd);
  return 1;
}
