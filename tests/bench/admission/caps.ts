// Whether a cap holds when many claim at once: ours, and the nearest that the peers have.

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Ground, Plot } from "../ground.ts";
import type { Part } from "../part.ts";
import type { Verdict } from "../report.ts";
import type { Sizes } from "../sizes.ts";
import { runClients } from "../window.ts";
import { batchSize } from "./contestant.ts";
import { openGraphileWorker, runGraphileWorker, taskName } from "./graphile-worker.ts";
import { type Claim, createKernel, type Kernel, type KernelFunction } from "./kernel.ts";
import { startOne } from "./ours.ts";
import { addUsers, widenLimits } from "./people.ts";
import { queue, startPgBoss, stopPgBoss } from "./pg-boss.ts";
import { type Breaches, createTally, type Tally, watch } from "./racing.ts";

interface Outcome extends Breaches {
  who: string;
  cap: string;
}

export const caps: Part = {
  name: "caps",
  async measure(ground, { caps: sizes }) {
    const outcomes = [
      await raceOurs(ground, sizes, "user"),
      await raceOurs(ground, sizes, "provider"),
      await racePgBoss(ground, sizes),
      await raceGraphile(ground, sizes),
    ];
    return {
      settings: { ...sizes, batchSize },
      tables: [{
        title: `Caps: ${sizes.claimers} racing claimers at cap ${sizes.cap}`,
        columns: ["who", "cap", "claims", "most held", "most seen in the database", "looks", "violations"],
        rows: outcomes.map((each) => [
          each.who,
          each.cap,
          each.claims,
          each.heldMax,
          each.watchedMax,
          each.looks,
          each.violations,
        ]),
        notes: [
          `Genflow: ${sizes.rounds} rounds; in each all claimers claim at once, up to ${batchSize} jobs each, while those ` +
          "who claimed in the round before end their jobs; then all is counted at rest. Violations: claims after which more " +
          "was held than the cap, and rests with more slots filled than the cap has.",
          `pg-boss and graphile-worker: ${sizes.peerMs} ms, a job is held for ${sizes.peerWorkMs} ms. A named queue of ` +
          `graphile-worker runs one job at a time, so a cap of ${sizes.cap} is that many queues with the jobs dealt out among them.`,
        ],
      }],
      verdicts: [judge(outcomes, sizes)],
      samples: outcomes,
    };
  },
};

function judge(outcomes: readonly Outcome[], sizes: Sizes["caps"]): Verdict {
  const ours = outcomes.filter(({ who }) => who === "genflow");
  return {
    promise: "caps: no claim at or over a cap, user's and provider's",
    measured: ours.map(({ cap, violations }) => `${violations} of the ${cap}'s`).join(", "),
    kept: ours.every(({ violations, watchedMax, heldMax, claims }) =>
      violations === 0 && claims > 0 && Math.max(watchedMax, heldMax) <= sizes.cap
    ),
    exact: true,
  };
}

type Kind = "user" | "provider";

/** What fills a slot of each cap, and which call frees it. */
const slots: Readonly<Record<Kind, { count: string; freedBy: KernelFunction }>> = {
  user: {
    count: `select (select count(*) from public.generation_jobs
          where status in ('submitting', 'unknown', 'processing', 'persisting'))
        + (select count(*) from genflow.attempts a join public.generation_jobs j on j.id = a.job_id
          where a.closed_at is null and j.ended_at is not null) as count`,
    freedBy: "complete_generation",
  },
  provider: {
    count: "select count(*) from genflow.attempts where closed_at is null",
    freedBy: "settle_generation",
  },
};

async function raceOurs(ground: Ground, sizes: Sizes["caps"], kind: Kind): Promise<Outcome> {
  const plot = await ground.open("genflow");
  try {
    await widenLimits(
      plot.admin,
      kind === "user" ? { user_running_cap: sizes.cap } : { provider_running_cap: sizes.cap },
    );
    const users = await addUsers(plot.admin, kind === "user" ? 1 : sizes.claimers);
    const kernel = createKernel(plot.connect(sizes.claimers, { role: "service_role" }));
    const jobs = sizes.cap * sizes.rounds + sizes.claimers;
    await fill(kernel, users, jobs, sizes.claimers);
    const tally = createTally(sizes.cap);
    const stop = watch(plot.connect(1), slots[kind].count);
    const atRest = await raceRounds({ plot, kernel, tally, sizes, kind });
    const { violations, ...read } = tally.read();
    return { who: "genflow", cap: kind, ...read, ...await stop(), violations: violations + atRest };
  } finally {
    await plot.close();
  }
}

/** Jobs enough for every round; each user's starts one after the other. */
async function fill(kernel: Kernel, users: readonly string[], jobs: number, clients: number): Promise<void> {
  let left = jobs;
  await Promise.all(Array.from({ length: Math.min(clients, users.length) }, async (_, client) => {
    for (let turn = client; left-- > 0; turn += clients) await startOne(kernel, users[turn % users.length]!);
  }));
}

interface Racing {
  plot: Plot;
  kernel: Kernel;
  tally: Tally;
  sizes: Sizes["caps"];
  kind: Kind;
}

/** Answers how many rests found more slots filled than the cap has. */
async function raceRounds({ plot, kernel, tally, sizes, kind }: Racing): Promise<number> {
  const { count, freedBy } = slots[kind];
  const end = (claim: Claim) =>
    kernel.finish(claim, (name) => {
      if (name === freedBy) tally.ending(1);
    });
  let breaches = 0;
  let holding: Claim[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const claimed: Claim[] = [];
    const claims = Array.from({ length: sizes.claimers }, async () => {
      const mine = await kernel.claim(batchSize);
      tally.claimed(mine.length);
      claimed.push(...mine);
    });
    // Slots come free in the midst of the race.
    await Promise.all([...claims, ...holding.map(end)]);
    const [row] = await plot.admin.unsafe<{ count: string }[]>(count);
    if (Number(row!.count) > sizes.cap) breaches++;
    holding = claimed;
  }
  await Promise.all(holding.map(end));
  return breaches;
}

async function racePgBoss(ground: Ground, sizes: Sizes["caps"]): Promise<Outcome> {
  const plot = await ground.open("pg-boss");
  const boss = await startPgBoss(plot.url, sizes.claimers);
  try {
    const group = { id: randomUUID() };
    const chunk = Array.from({ length: 5000 }, () => ({ data: {}, group }));
    await boss.insert(queue, chunk);
    const tally = createTally(sizes.cap);
    const stop = watch(plot.connect(1), "select count(*) from pgboss.job where state = 'active'");
    await runClients(sizes.claimers, sizes.peerMs, async () => {
      const jobs = await boss.fetch(queue, { batchSize, groupConcurrency: sizes.cap });
      tally.claimed(jobs.length);
      if (jobs.length === 0) return 0;
      await delay(sizes.peerWorkMs);
      tally.ending(jobs.length);
      await boss.complete(queue, jobs.map(({ id }) => id));
      return jobs.length;
    });
    return { who: "pg-boss", cap: "groupConcurrency", ...tally.read(), ...await stop() };
  } finally {
    await stopPgBoss(boss);
    await plot.close();
  }
}

async function raceGraphile(ground: Ground, sizes: Sizes["caps"]): Promise<Outcome> {
  const plot = await ground.open("graphile-worker");
  const utilities = await openGraphileWorker(plot.url, 1);
  try {
    await utilities.addJobs(Array.from({ length: 5000 }, (_, at) => ({
      identifier: taskName,
      payload: {},
      queueName: `slot ${at % sizes.cap}`,
    })));
    const tally = createTally(sizes.cap);
    const stop = watch(
      plot.connect(1),
      "select count(*) from graphile_worker._private_jobs where locked_at is not null",
    );
    const runner = await runGraphileWorker({
      url: plot.url,
      workers: sizes.claimers,
      tasks: {
        [taskName]: async () => {
          tally.claimed(1);
          await delay(sizes.peerWorkMs);
          tally.ending(1);
        },
      },
    });
    await delay(sizes.peerMs);
    await runner.stop();
    return { who: "graphile-worker", cap: "named queues", ...tally.read(), ...await stop() };
  } finally {
    await utilities.release();
    await plot.close();
  }
}
