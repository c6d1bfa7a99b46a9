// The peer pg-boss: a queue in Postgres, with a pool as large as there are clients.

import { PgBoss } from "pg-boss";
import type { Plot } from "../ground.ts";
import { runClients } from "../window.ts";
import { batchSize, type Contestant } from "./contestant.ts";

export const queue = "generations";

/** Without its timers: nothing but what is measured. */
export async function startPgBoss(url: string, connections: number): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: url, max: connections, supervise: false, schedule: false });
  boss.on("error", (error) => console.error(`pg-boss: ${error.message}`));
  await boss.start();
  await boss.createQueue(queue);
  return boss;
}

export async function stopPgBoss(boss: PgBoss): Promise<void> {
  await boss.stop({ graceful: false, close: true });
}

export async function enterPgBoss(plot: Plot, clients: number): Promise<Contestant> {
  const boss = await startPgBoss(plot.url, clients);
  return {
    name: "pg-boss",
    run: (durationMs) =>
      runClients(clients, durationMs, async () => {
        await boss.send(queue, { prompt: "an otter on a river bank" });
        const jobs = await boss.fetch(queue, { batchSize });
        if (jobs.length > 0) await boss.complete(queue, jobs.map(({ id }) => id));
        return jobs.length;
      }),
    leave: () => stopPgBoss(boss),
  };
}
