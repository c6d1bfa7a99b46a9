// What a job costs the database: statements, rows written, bytes of WAL.

import type { Ground, Owner, Plot } from "../ground.ts";
import type { Part } from "../part.ts";
import type { Sizes } from "../sizes.ts";
import type { Contestant } from "./contestant.ts";
import { openField } from "./field.ts";
import { enterFloor } from "./floor.ts";
import { enterGraphileWorker } from "./graphile-worker.ts";
import { kernelFunctions } from "./kernel.ts";
import { enterOurs } from "./ours.ts";
import { enterPgBoss } from "./pg-boss.ts";

interface Cost {
  who: Owner;
  jobs: number;
  calls: number;
  statements: number;
  inserted: number;
  updated: number;
  updatedInPlace: number;
  deleted: number;
  walBytes: number;
  /** Whole pages in the WAL: the first change of each after a checkpoint. */
  walPages: number;
  /** Most written tables first. */
  tables: { name: string; rows: number }[];
}

/** One client: what several add by waiting for each other is in the lifecycle's figures. */
const clients = 1;

export const cost: Part = {
  name: "cost",
  async measure(ground, { cost: sizes }) {
    const costs = await measureAll(ground, sizes);
    return {
      settings: { ...sizes, clients },
      tables: [{
        title: "Cost: what one job leaves in the database, on the average",
        columns: [
          "who",
          "jobs",
          "calls",
          "statements",
          "rows written",
          "inserted",
          "updated",
          "of them in place",
          "deleted",
          "WAL bytes",
          "WAL pages",
        ],
        rows: costs.map(({ who, jobs, ...sums }) => {
          const each = (sum: number) => (sum / jobs).toFixed(2);
          return [
            who,
            jobs,
            each(sums.calls),
            each(sums.statements),
            each(sums.inserted + sums.updated + sums.deleted),
            each(sums.inserted),
            each(sums.updated),
            each(sums.updatedInPlace),
            each(sums.deleted),
            Math.round(sums.walBytes / jobs),
            each(sums.walPages),
          ];
        }),
        notes: [
          `One client, ${sizes.windowMs} ms after a warm-up of ${sizes.warmUpMs} ms. Calls: statements the client sends; ` +
          "statements: with those that functions run in turn (pg_stat_statements, track = all). Rows: pg_stat_user_tables; an " +
          "update in place touches no index. WAL: the server's position before and after.",
          `Rows of genflow by table: ${busiest(costs)}.`,
        ],
      }],
      verdicts: [],
      samples: costs,
    };
  },
};

function busiest(costs: readonly Cost[]): string {
  const ours = costs.find(({ who }) => who === "genflow")!;
  return ours.tables.map(({ name, rows }) => `${name} ${(rows / ours.jobs).toFixed(2)}`).join(", ");
}

async function measureAll(ground: Ground, sizes: Sizes["cost"]): Promise<Cost[]> {
  await ground.admin`create extension if not exists pg_stat_statements`;
  const field = await openField(ground, sizes);
  const { plots, userIds } = field;
  const enter: Readonly<Record<Owner, () => Promise<Contestant>>> = {
    genflow: async () => await Promise.resolve(enterOurs(plots.genflow, clients, userIds)),
    floor: async () =>
      await Promise.resolve(
        // A kernel function is one call of a job's life, but for the one that waits for busy accounts.
        enterFloor(plots.floor, clients, { callsPerJob: kernelFunctions.length - 1, rows: sizes.floorRows }),
      ),
    "pg-boss": () => enterPgBoss(plots["pg-boss"], clients),
    "graphile-worker": () => enterGraphileWorker(plots["graphile-worker"], clients),
  };
  try {
    await ground.admin`checkpoint`;
    const costs: Cost[] = [];
    for (const [who, enterOne] of Object.entries(enter) as [Owner, () => Promise<Contestant>][]) {
      costs.push(await measureOne(ground, { who, plot: plots[who], enter: enterOne }, sizes));
    }
    return costs;
  } finally {
    await field.close();
  }
}

interface Measurement {
  who: Owner;
  plot: Plot;
  enter: () => Promise<Contestant>;
}

async function measureOne(
  ground: Ground,
  { who, plot, enter }: Measurement,
  sizes: Sizes["cost"],
): Promise<Cost> {
  const [{ name }] = await plot.admin<[{ name: string }]>`select current_database() as name`;
  // For the sessions from now on.
  await plot.admin`alter database ${plot.admin(name)} set pg_stat_statements.track = 'all'`;
  const warm = await enter();
  await warm.run(sizes.warmUpMs);
  // A session's counts are all told only when it ends.
  await warm.leave();
  const contestant = await enter();
  const before = await readWritten(plot);
  await ground.admin`select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = ${name}`;
  const callsBefore = contestant.callsMade?.() ?? 0;
  const walBefore = await walPosition(ground);
  const { done } = await contestant.run(sizes.windowMs);
  const walBytes = await walPosition(ground) - walBefore;
  const [sums] = await ground.admin<[{ calls: string; statements: string; pages: string }]>`
    select coalesce(sum(calls) filter (where toplevel), 0) as calls, coalesce(sum(calls), 0) as statements,
      coalesce(sum(wal_fpi) filter (where toplevel), 0) as pages
    from pg_stat_statements s join pg_database d on d.oid = s.dbid where d.datname = ${name}`;
  await contestant.leave();
  const after = await readWritten(plot);
  return {
    who,
    jobs: done,
    // What runs at commit counts as sent by the client there: who counts for itself knows better.
    calls: contestant.callsMade ? contestant.callsMade() - callsBefore : Number(sums.calls),
    statements: Number(sums.statements),
    walBytes,
    walPages: Number(sums.pages),
    ...difference(before, after),
  };
}

async function walPosition(ground: Ground): Promise<number> {
  const [row] = await ground.admin<[{ bytes: string }]>`
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as bytes`;
  return Number(row.bytes);
}

interface Written {
  name: string;
  inserted: number;
  updated: number;
  updatedInPlace: number;
  deleted: number;
}

async function readWritten({ admin }: Plot): Promise<Written[]> {
  // What this session itself has written, and what it remembers of the others' counts, must not stand in between.
  await admin`select pg_stat_force_next_flush()`;
  await admin`select pg_stat_clear_snapshot()`;
  const rows = await admin<
    { name: string; inserted: string; updated: string; hot: string; deleted: string }[]
  >`
    select schemaname || '.' || relname as name, n_tup_ins as inserted, n_tup_upd as updated, n_tup_hot_upd as hot,
      n_tup_del as deleted
    from pg_stat_user_tables order by 1`;
  return rows.map(({ name, inserted, updated, hot, deleted }) => ({
    name,
    inserted: Number(inserted),
    updated: Number(updated),
    updatedInPlace: Number(hot),
    deleted: Number(deleted),
  }));
}

function difference(
  before: readonly Written[],
  after: readonly Written[],
): Pick<Cost, "inserted" | "updated" | "updatedInPlace" | "deleted" | "tables"> {
  const kinds = ["inserted", "updated", "updatedInPlace", "deleted"] as const;
  const sums = { inserted: 0, updated: 0, updatedInPlace: 0, deleted: 0 };
  const tables: Cost["tables"] = [];
  for (const now of after) {
    const then = before.find(({ name }) => name === now.name);
    const grown = Object.fromEntries(
      kinds.map((kind) => [kind, now[kind] - (then?.[kind] ?? 0)]),
    ) as typeof sums;
    for (const kind of kinds) sums[kind] += grown[kind];
    const rows = grown.inserted + grown.updated + grown.deleted;
    if (rows > 0) tables.push({ name: now.name, rows });
  }
  return { ...sums, tables: tables.sort((a, b) => b.rows - a.rows) };
}
