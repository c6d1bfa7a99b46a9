// Whether a claim and a start cost the same with few rows and with very many.

import type { Ground, Plot } from "../ground.ts";
import type { Finding, Part } from "../part.ts";
import type { Verdict } from "../report.ts";
import type { Sizes } from "../sizes.ts";
import { median, summarize } from "../statistics.ts";
import type { Cell, Table } from "../table.ts";
import { loadedTables, loadFinished, loadQueued } from "./bulk.ts";
import { createKernel } from "./kernel.ts";
import { measureOldSnapshot, snapshotTable } from "./old-snapshot.ts";
import { startOne } from "./ours.ts";
import { addUsers, widenLimits } from "./people.ts";
import { claimOf, explainAndTakeBack, startOf, type Touched } from "./touched.ts";

interface Measured {
  scene: string;
  rows: number;
  loadSeconds: number;
  calls: Record<string, Touched[]>;
}

/** Who starts a job in a scene: a label and a user. */
type Starters = Record<string, string>;

interface Scene {
  name: string;
  load(plot: Plot, rows: number): Promise<Starters>;
}

const maxRatio = 1.5;
const readyJobs = 20;
const jobsPerUser = 10;
const userCap = 2;

const scenes: readonly Scene[] = [
  {
    name: "finished jobs",
    async load({ admin }, rows) {
      // Half of them one user's, who starts another; the rest many users'.
      const half = rows / 2;
      const [[regular]] = await loadFinished(admin, [
        { users: 1, jobsPerUser: half },
        { users: half / jobsPerUser, jobsPerUser },
      ]) as [[string], string[]];
      return { "of who has half of them": regular };
    },
  },
  {
    name: "queued jobs of many users",
    async load({ admin }, rows) {
      const [[one]] = await loadQueued(admin, [{ users: rows / jobsPerUser, jobsPerUser }], userCap) as [
        [string],
      ];
      return { "of one of them": one };
    },
  },
  {
    name: "queued jobs of one user",
    async load({ admin }, rows) {
      const [[one]] = await loadQueued(admin, [{ users: 1, jobsPerUser: rows }], userCap) as [[string]];
      return { "of that user (refused at its cap)": one };
    },
  },
];

export const buffers: Part = {
  name: "buffers",
  async measure(ground, { buffers: sizes }) {
    const measured: Measured[] = [];
    for (const scene of scenes) {
      for (const rows of [sizes.small, sizes.large]) measured.push(await play(ground, scene, rows, sizes));
    }
    const snapshot = await measureOldSnapshot(ground, sizes);
    return report(measured, snapshot, sizes);
  },
};

async function play(ground: Ground, scene: Scene, rows: number, sizes: Sizes["buffers"]): Promise<Measured> {
  const plot = await ground.open("genflow");
  try {
    const begin = performance.now();
    const starters = await scene.load(plot, rows);
    const loadSeconds = (performance.now() - begin) / 1000;
    await widenLimits(plot.admin, { user_running_cap: userCap });
    // As many as anywhere: what is claimed is not what differs.
    await plot.admin`update genflow.settings set user_pending_cap = 20`;
    const [fresh, ...others] = await addUsers(plot.admin, readyJobs + 1);
    const kernel = createKernel(plot.connect(1, { role: "service_role" }));
    for (const other of others) await startOne(kernel, other);
    await plot.admin`vacuum analyze`;

    const statements = {
      claim: () => claimOf(1),
      ...Object.fromEntries(
        Object.entries({ "of a fresh user": fresh!, ...starters })
          .map(([who, userId]) => [`start ${who}`, () => startOf(userId)]),
      ),
    };
    const calls = await sampleAll(plot, statements, sizes);
    return { scene: scene.name, rows, loadSeconds, calls };
  } finally {
    await plot.close();
  }
}

/** The first calls of a session plan their statements and are not counted; what they left behind is cleaned away. */
async function sampleAll(
  { admin, connect }: Plot,
  statements: Readonly<Record<string, () => string>>,
  { warmUps, samples }: Sizes["buffers"],
): Promise<Measured["calls"]> {
  const sql = await connect(1, { settings: { jit: "off" } }).reserve();
  for (const statement of Object.values(statements)) {
    for (let at = 0; at < warmUps; at++) await explainAndTakeBack(sql, statement());
  }
  await admin.unsafe(
    `vacuum ${[...loadedTables, "genflow.accounts", "genflow.provider", "genflow.spend"].join(", ")}`,
  );
  const calls: Measured["calls"] = {};
  for (const [call, statement] of Object.entries(statements)) {
    // Once uncounted: a vacuum makes a session look at its tables and plans anew.
    await explainAndTakeBack(sql, statement());
    const touched: Touched[] = [];
    for (let at = 0; at < samples; at++) touched.push(await explainAndTakeBack(sql, statement()));
    calls[call] = touched;
  }
  sql.release();
  return calls;
}

function report(
  measured: readonly Measured[],
  snapshot: Awaited<ReturnType<typeof measureOldSnapshot>>,
  sizes: Sizes["buffers"],
): Finding {
  return {
    settings: { ...sizes, userCap, readyJobs, jobsPerUser, jit: "off in the measuring session" },
    tables: [growthTable(measured, sizes), snapshotTable(snapshot, sizes)],
    verdicts: [judge(measured, sizes)],
    samples: { growth: measured, oldSnapshot: snapshot },
  };
}

const medianBuffers = (touched: readonly Touched[]) => median(touched.map(({ buffers }) => buffers));

function judge(measured: readonly Measured[], { small, large }: Sizes["buffers"]): Verdict {
  const ratios = scenes.map(({ name }) => {
    const [few, many] = [small, large].map((size) =>
      measured.find(({ scene, rows }) => scene === name && rows === size)!
    );
    return { name, ratio: medianBuffers(many!.calls["claim"]!) / medianBuffers(few!.calls["claim"]!) };
  });
  return {
    promise: `buffers: of a claim at ${large} rows at most ${maxRatio} times those at ${small}`,
    measured: ratios.map(({ name, ratio }) => `${ratio.toFixed(2)} ${name}`).join(", "),
    kept: ratios.every(({ ratio }) => ratio <= maxRatio),
  };
}

function growthTable(measured: readonly Measured[], { small, large, samples }: Sizes["buffers"]): Table {
  const rows = scenes.flatMap(({ name }): Cell[][] => {
    const few = measured.find(({ scene, rows }) => scene === name && rows === small)!;
    const many = measured.find(({ scene, rows }) => scene === name && rows === large)!;
    const line = (call: string, a: readonly Touched[], b: readonly Touched[]): Cell[] => {
      const [atFew, atMany] = [a, b].map((each) => summarize(each.map(({ buffers }) => buffers)));
      return [
        name,
        call,
        atFew!.median,
        atMany!.median,
        (atMany!.median / atFew!.median).toFixed(2),
        `${atMany!.min}-${atMany!.max}`,
        median(a.map(({ ms }) => ms)).toFixed(2),
        median(b.map(({ ms }) => ms)).toFixed(2),
      ];
    };
    return Object.keys(few.calls).map((call) => line(call, few.calls[call]!, many.calls[call]!));
  });
  return {
    title: "Buffers: shared buffers (hit and read) that one call touches",
    columns: [
      "besides",
      "call",
      `${small}`,
      `${large}`,
      "ratio",
      "range",
      `ms at ${small}`,
      `ms at ${large}`,
    ],
    rows,
    notes: [
      `Median of ${samples} calls in a warm session, each rolled back, after vacuum analyze; with planning that the functions ` +
      `still do, without the message written at commit. ${readyJobs} ready jobs of as many users besides; a claim of one job.`,
    ],
  };
}
