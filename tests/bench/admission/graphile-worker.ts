// The peer graphile-worker: jobs are added through its utilities and run by its own workers, as many as there are clients.

import { EventEmitter } from "node:events";
import {
  Logger,
  makeWorkerUtils,
  run,
  type Runner,
  type TaskList,
  type WorkerEvents,
  type WorkerUtils,
} from "graphile-worker";
import type { Plot } from "../ground.ts";
import type { Window } from "../window.ts";
import { batchSize, type Contestant } from "./contestant.ts";

export const taskName = "generate";

const logger = new Logger(() => () => {});
const pollIntervalMs = 100;

export async function openGraphileWorker(url: string, connections: number): Promise<WorkerUtils> {
  const utilities = await makeWorkerUtils({ connectionString: url, maxPoolSize: connections, logger });
  await utilities.migrate();
  return utilities;
}

/** Its documentation asks for two connections more than workers: one listens. */
export async function runGraphileWorker(
  { url, workers, tasks, events }: { url: string; workers: number; tasks: TaskList; events?: WorkerEvents },
): Promise<Runner> {
  return await run({
    connectionString: url,
    concurrency: workers,
    maxPoolSize: workers + 2,
    pollInterval: pollIntervalMs,
    noHandleSignals: true,
    taskList: tasks,
    crontab: "",
    logger,
    ...(events ? { events } : {}),
  });
}

export async function enterGraphileWorker(plot: Plot, clients: number): Promise<Contestant> {
  const utilities = await openGraphileWorker(plot.url, clients);
  return {
    name: "graphile-worker",
    async run(durationMs) {
      const events: WorkerEvents = new EventEmitter();
      const runner = await runGraphileWorker({
        url: plot.url,
        workers: clients,
        tasks: { [taskName]: () => {} },
        events,
      });
      try {
        return await produceAndCount(utilities, events, { clients, durationMs });
      } finally {
        await runner.stop();
      }
    },
    leave: async () => await utilities.release(),
  };
}

/** Adds jobs as fast as the workers take them: no more wait at once than a batch a client. */
async function produceAndCount(
  utilities: WorkerUtils,
  events: WorkerEvents,
  { clients, durationMs }: { clients: number; durationMs: number },
): Promise<Window> {
  let added = 0;
  let done = 0;
  let wake = Promise.withResolvers<void>();
  events.on("job:complete", () => {
    done++;
    wake.resolve();
    wake = Promise.withResolvers<void>();
  });
  const begin = performance.now();
  await Promise.all(Array.from({ length: clients }, async () => {
    while (performance.now() - begin < durationMs) {
      while (added - done >= clients * batchSize) await wake.promise;
      added++;
      await utilities.addJob(taskName, { prompt: "an otter on a river bank" });
    }
  }));
  while (done < added) await wake.promise;
  return { done, elapsedMs: performance.now() - begin };
}
