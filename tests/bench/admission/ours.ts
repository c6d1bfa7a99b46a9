// A job's whole life through our kernel: start, claim, send, submission, settle, lease on storing, picture, completion.

import type { Plot } from "../ground.ts";
import { runClients } from "../window.ts";
import { batchSize, type Contestant } from "./contestant.ts";
import { createKernel, type Kernel, kernelFunctions } from "./kernel.ts";

export interface Ours extends Contestant {
  kernel: Kernel;
  callsMade(): number;
}

/** The users' starts must find limits wide enough, see `widenLimits`. */
export function enterOurs(plot: Plot, clients: number, userIds: readonly string[]): Ours {
  const sql = plot.connect(clients, { role: "service_role" });
  const kernel = createKernel(sql);
  let turn = 0;
  return {
    name: "genflow",
    kernel,
    callsMade: () => kernelFunctions.reduce((sum, name) => sum + kernel.taken[name].length, 0),
    run: (durationMs) =>
      runClients(clients, durationMs, async () => {
        // Each in turn: two clients meet at one account no more often than chance has it in an app.
        await startOne(kernel, userIds[turn++ % userIds.length]!);
        const claims = await kernel.claim(batchSize);
        for (const claim of claims) await kernel.finish(claim);
        return claims.length;
      }),
    leave: () => sql.end(),
  };
}

export async function startOne(kernel: Kernel, userId: string): Promise<string> {
  const answer = await kernel.start(userId);
  if (!answer.ok) throw new Error(`A start was refused: ${answer.error.code}`);
  return answer.job.id;
}
