// The queues that the fresh users stand in: behind a backlog of one user's jobs, with workers that take from the front.

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Ground } from "../ground.ts";
import type { Sizes } from "../sizes.ts";
import { loadQueued } from "./bulk.ts";
import { openGraphileWorker, runGraphileWorker, taskName } from "./graphile-worker.ts";
import { createKernel } from "./kernel.ts";
import { startOne } from "./ours.ts";
import { addUsers, widenLimits } from "./people.ts";
import { queue, startPgBoss, stopPgBoss } from "./pg-boss.ts";

export interface Line {
  /** Ids of users who have no job yet. */
  freshUsers: readonly string[];
  enqueue(userId: string): Promise<void>;
  /** Workers begin; `seen` hears of each claim as it is made. Answers how to stop them. */
  work(seen: (userId: string) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export interface LineKind {
  name: string;
  /** What keeps the backlog from being first, if anything does. */
  rule: string;
  /** Where users take turns: how many of a user's jobs may run at once. */
  userCap?: number;
  open(ground: Ground, sizes: Sizes["fairness"]): Promise<Line>;
}

/** A worker that finds nothing looks again after this time. */
const idleMs = 10;
const insertChunk = 5000;
const groupCap = 2;

/** Each worker takes a job, keeps it for a while, ends it. */
function workers(
  { workers: count, workMs }: Sizes["fairness"],
  takeOne: () => Promise<{ userId: string; end: () => Promise<unknown> } | null>,
  seen: (userId: string) => void,
): () => Promise<void> {
  let going = true;
  const all = Promise.all(Array.from({ length: count }, async () => {
    while (going) {
      const job = await takeOne();
      if (!job) {
        await delay(idleMs);
        continue;
      }
      seen(job.userId);
      await delay(workMs);
      await job.end();
    }
  }));
  // Whoever stops them hears of a failure; until then it must not end the process.
  all.catch(() => going = false);
  return async () => {
    going = false;
    await all;
  };
}

async function openOurs(ground: Ground, sizes: Sizes["fairness"], userCap: number): Promise<Line> {
  const plot = await ground.open("genflow");
  await widenLimits(plot.admin, { user_running_cap: userCap });
  await loadQueued(plot.admin, [{ users: 1, jobsPerUser: sizes.backlog }], userCap);
  await plot.admin`vacuum analyze`;
  const starts = createKernel(plot.connect(sizes.freshUsers, { role: "service_role" }));
  const kernel = createKernel(plot.connect(sizes.workers, { role: "service_role" }));
  return {
    freshUsers: await addUsers(plot.admin, sizes.freshUsers),
    enqueue: async (userId) => void await startOne(starts, userId),
    work: async (seen) =>
      await Promise.resolve(workers(sizes, async () => {
        const [claim] = await kernel.dispatch(1);
        return claim ? { userId: claim.userId, end: () => kernel.finish(claim) } : null;
      }, seen)),
    close: () => plot.close(),
  };
}

interface BossJob {
  userId: string;
}

async function openPgBoss(
  ground: Ground,
  sizes: Sizes["fairness"],
  { priority, grouped }: { priority?: number; grouped?: boolean },
): Promise<Line> {
  const plot = await ground.open("pg-boss");
  const boss = await startPgBoss(plot.url, sizes.workers + sizes.freshUsers);
  const heavy = randomUUID();
  const group = (userId: string) => grouped ? { group: { id: userId } } : {};
  for (let left = sizes.backlog; left > 0; left -= insertChunk) {
    const length = Math.min(left, insertChunk);
    await boss.insert(queue, Array.from({ length }, () => ({ data: { userId: heavy }, ...group(heavy) })));
  }
  await plot.admin`vacuum analyze`;
  const limits = { batchSize: 1, ...(grouped ? { groupConcurrency: groupCap } : {}) };
  return {
    freshUsers: Array.from({ length: sizes.freshUsers }, () => randomUUID()),
    enqueue: async (userId) =>
      void await boss.send(queue, { userId }, { ...group(userId), ...(priority ? { priority } : {}) }),
    work: async (seen) =>
      await Promise.resolve(workers(sizes, async () => {
        const [job] = await boss.fetch<BossJob>(queue, limits);
        return job ? { userId: job.data.userId, end: () => boss.complete(queue, job.id) } : null;
      }, seen)),
    async close() {
      await stopPgBoss(boss);
      await plot.close();
    },
  };
}

async function openGraphile(
  ground: Ground,
  sizes: Sizes["fairness"],
  { priority, named }: { priority?: number; named?: boolean },
): Promise<Line> {
  const plot = await ground.open("graphile-worker");
  const utilities = await openGraphileWorker(plot.url, sizes.freshUsers);
  const heavy = randomUUID();
  const spec = (userId: string) => named ? { queueName: userId } : {};
  for (let left = sizes.backlog; left > 0; left -= insertChunk) {
    const length = Math.min(left, insertChunk);
    await utilities.addJobs(
      Array.from({ length }, () => ({ identifier: taskName, payload: { userId: heavy }, ...spec(heavy) })),
    );
  }
  await plot.admin`vacuum analyze`;
  return {
    freshUsers: Array.from({ length: sizes.freshUsers }, () => randomUUID()),
    enqueue: async (userId) =>
      void await utilities.addJob(taskName, { userId }, {
        ...spec(userId),
        ...(priority ? { priority } : {}),
      }),
    async work(seen) {
      const runner = await runGraphileWorker({
        url: plot.url,
        workers: sizes.workers,
        tasks: {
          [taskName]: async (payload) => {
            seen((payload as BossJob).userId);
            await delay(sizes.workMs);
          },
        },
      });
      return () => runner.stop();
    },
    async close() {
      await utilities.release();
      await plot.close();
    },
  };
}

/** The user's cap at its default; and one so high that the backlog may take every worker. */
const defaultUserCap = 2;

export const lineKinds = ({ workers }: Sizes["fairness"]): readonly LineKind[] => [
  ...[defaultUserCap, workers].map((userCap): LineKind => ({
    name: "genflow",
    rule: `turns; user's cap ${userCap}${userCap === workers ? " (every worker)" : ""}`,
    userCap,
    open: (ground, sizes) => openOurs(ground, sizes, userCap),
  })),
  { name: "pg-boss", rule: "first in, first out", open: (ground, sizes) => openPgBoss(ground, sizes, {}) },
  {
    name: "pg-boss",
    rule: "priority, given by whoever sends",
    open: (ground, sizes) => openPgBoss(ground, sizes, { priority: 1 }),
  },
  {
    name: "pg-boss",
    rule: `groupConcurrency ${groupCap} a user`,
    open: (ground, sizes) => openPgBoss(ground, sizes, { grouped: true }),
  },
  {
    name: "graphile-worker",
    rule: "first in, first out",
    open: (ground, sizes) => openGraphile(ground, sizes, {}),
  },
  {
    name: "graphile-worker",
    rule: "priority, given by whoever adds",
    open: (ground, sizes) => openGraphile(ground, sizes, { priority: -1 }),
  },
  {
    name: "graphile-worker",
    rule: "queue_name a user (one at a time)",
    open: (ground, sizes) => openGraphile(ground, sizes, { named: true }),
  },
];
