// A job's whole life, with all rules on, beside the floor and two peers that have none of the rules.

import type { Ground } from "../ground.ts";
import type { Finding, Part } from "../part.ts";
import type { Verdict } from "../report.ts";
import type { Sizes } from "../sizes.ts";
import { median, spread, summarize } from "../statistics.ts";
import type { Cell, Table } from "../table.ts";
import { perSecond, type Window } from "../window.ts";
import { batchSize, type Contestant } from "./contestant.ts";
import { openField } from "./field.ts";
import { enterFloor } from "./floor.ts";
import { enterGraphileWorker } from "./graphile-worker.ts";
import { type KernelFunction, kernelFunctions } from "./kernel.ts";
import { enterOurs } from "./ours.ts";
import { enterPgBoss } from "./pg-boss.ts";

interface Race {
  clients: number;
  callsPerJob: number;
  floorCallsPerJob: number;
  rounds: { round: number; order: string[]; windows: Record<string, Window> }[];
  calls: Record<KernelFunction, number[]>;
}

const minRatio = 0.5;
const minJobsPerSecond = 200;

export const lifecycle: Part = {
  name: "lifecycle",
  async measure(ground, { lifecycle: sizes }) {
    const races: Race[] = [];
    for (const clients of sizes.clients) races.push(await race(ground, clients, sizes));
    return report(races, sizes);
  },
};

async function race(ground: Ground, clients: number, sizes: Sizes["lifecycle"]): Promise<Race> {
  const field = await openField(ground, sizes);
  const contestants: Contestant[] = [];
  try {
    const ours = enterOurs(field.plots.genflow, clients, field.userIds);
    contestants.push(ours);
    const warmUp = await ours.run(sizes.warmUpMs);
    const floorCallsPerJob = Math.round(ours.callsMade() / warmUp.done);
    const others = [
      enterFloor(field.plots.floor, clients, { callsPerJob: floorCallsPerJob, rows: sizes.floorRows }),
      await enterPgBoss(field.plots["pg-boss"], clients),
      await enterGraphileWorker(field.plots["graphile-worker"], clients),
    ];
    contestants.push(...others);
    for (const other of others) await other.run(sizes.warmUpMs);

    ours.kernel.forget();
    const rounds = await runRounds(contestants, sizes);
    const done = rounds.reduce((sum, { windows }) => sum + windows[ours.name]!.done, 0);
    return {
      clients,
      callsPerJob: ours.callsMade() / done,
      floorCallsPerJob,
      rounds,
      calls: structuredClone(ours.kernel.taken),
    };
  } finally {
    for (const contestant of contestants) await contestant.leave();
    await field.close();
  }
}

async function runRounds(
  contestants: readonly Contestant[],
  sizes: Sizes["lifecycle"],
): Promise<Race["rounds"]> {
  const rounds: Race["rounds"] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    // Every other round the other way round: what disturbs the machine for a while disturbs each of them.
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    const windows: Record<string, Window> = {};
    for (const contestant of order) windows[contestant.name] = await contestant.run(sizes.windowMs);
    rounds.push({ round, order: order.map(({ name }) => name), windows });
  }
  return rounds;
}

function report(races: readonly Race[], sizes: Sizes["lifecycle"]): Finding {
  return {
    settings: { ...sizes, batchSize, model: "flux-schnell", caps: "checked, wide enough never to bind" },
    tables: [throughput(races, sizes), callTimes(races)],
    verdicts: judge(races),
    samples: races,
  };
}

const ratesOf = (race: Race, name: string) => race.rounds.map(({ windows }) => perSecond(windows[name]!));
const ratiosOf = (race: Race, name: string) =>
  race.rounds.map(({ windows }) => perSecond(windows[name]!) / perSecond(windows["floor"]!));

function judge(races: readonly Race[]): Verdict[] {
  const each = (of: (race: Race) => number, digits: number) =>
    races.map((race) => `${of(race).toFixed(digits)} at ${race.clients}`).join(", ") + " clients";
  const ratio = (race: Race) => median(ratiosOf(race, "genflow"));
  const rate = (race: Race) => median(ratesOf(race, "genflow"));
  return [
    {
      promise: `lifecycle: at least ${minRatio} of the floor`,
      measured: each(ratio, 2),
      kept: races.every((race) => ratio(race) >= minRatio),
    },
    {
      promise: `lifecycle: at least ${minJobsPerSecond} jobs/s on 2 cores`,
      measured: each(rate, 0),
      kept: races.some((race) => rate(race) >= minJobsPerSecond),
    },
  ];
}

/** What is in a job's life with each, so that nobody compares the figures alone. */
const lives: Readonly<Record<string, string>> = {
  floor: "Floor: each call updates one row by its primary key. No queue, no rules, nothing is inserted.",
  genflow:
    "Genflow's calls also: know a repeated tap, check model, inputs and start bucket, count pending, running and " +
    "provider's open jobs against their caps, guard the spending, hold the credits and close the hold in a ledger, give " +
    "turns, keep leases and fencing tokens, note events, number each change and write a push message for it, plan the " +
    "removal of what is never recorded, record the picture.",
  "pg-boss":
    "pg-boss: send, fetch, complete; a job is one row that changes twice. No money, no caps, no events, no push.",
  "graphile-worker":
    "graphile-worker: add_job, get_job, and the row's removal at its end. No money, no caps, no events, no push.",
};

function throughput(races: readonly Race[], sizes: Sizes["lifecycle"]): Table {
  const rows = races.flatMap((race) =>
    Object.keys(lives).map((name): Cell[] => {
      const rates = race.rounds.map(({ windows }) => perSecond(windows[name]!));
      const calls: Record<string, number> = { floor: race.floorCallsPerJob, genflow: race.callsPerJob };
      return [
        race.clients,
        name,
        calls[name]?.toFixed(2) ?? "own",
        median(rates),
        `${Math.round(Math.min(...rates))}-${Math.round(Math.max(...rates))}`,
        `${Math.round(spread(rates) * 100)} %`,
        median(ratiosOf(race, name)).toFixed(2),
      ];
    })
  );
  return {
    title: "Lifecycle: jobs a second, from the start to the end",
    columns: ["clients", "who", "calls a job", "jobs/s", "range", "spread", "of floor"],
    rows,
    notes: [
      `Warm-up ${sizes.warmUpMs} ms, then ${sizes.rounds} rounds of ${sizes.windowMs} ms each, the contestants taking ` +
      "turns, every other round in the opposite order; medians of the rounds, and of the ratios within a round.",
      "Genflow and floor: the same clients (connections), one prepared statement a call, each in a transaction of its own, " +
      `as service_role; up to ${batchSize} jobs a claim; ${sizes.users} users. pg-boss: a pool of as many connections, ` +
      `fetches up to ${batchSize} and completes them together. graphile-worker: as many producers and as many workers, each ` +
      `with a pool of its own, at most ${batchSize} jobs a client waiting.`,
      ...Object.values(lives),
    ],
  };
}

function callTimes(races: readonly Race[]): Table {
  return {
    title: "Lifecycle: each of genflow's calls, in ms",
    columns: ["call", ...races.flatMap(({ clients }) => [`mean @${clients}`, `p95 @${clients}`])],
    rows: kernelFunctions.filter((name) => races.some(({ calls }) => calls[name].length > 0)).map((name) => [
      name,
      ...races.flatMap(({ calls }) => {
        const { mean, p95 } = summarize(calls[name]);
        return [mean.toFixed(2), p95.toFixed(2)];
      }),
    ]),
    notes: ["Seen by the client, waits for locks and for the cores included."],
  };
}
