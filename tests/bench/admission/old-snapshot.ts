// What a claim touches while another session holds an old snapshot, so that nothing that dies meanwhile can be removed.

import { setTimeout as delay } from "node:timers/promises";
import type { Ground } from "../ground.ts";
import type { Sizes } from "../sizes.ts";
import { median } from "../statistics.ts";
import type { Table } from "../table.ts";
import { runClients } from "../window.ts";
import { createKernel } from "./kernel.ts";
import { startOne } from "./ours.ts";
import { addUsers, widenLimits } from "./people.ts";
import { claimOf, explainAndTakeBack, type Touched } from "./touched.ts";

type Phase = "before" | "held" | "after";

export interface Snapshotted {
  jobsDone: number;
  samples: (Touched & { phase: Phase; atMs: number })[];
}

/** The median of so many samples at the begin and at the end of each phase. */
const edge = 3;
const backlog = 50;
const users = 100;

export async function measureOldSnapshot(ground: Ground, sizes: Sizes["buffers"]): Promise<Snapshotted> {
  const plot = await ground.open("genflow");
  try {
    await widenLimits(plot.admin);
    const ids = await addUsers(plot.admin, users);
    const kernel = createKernel(plot.connect(sizes.snapshotClients, { role: "service_role" }));
    for (const id of ids.slice(0, backlog)) await startOne(kernel, id);
    await plot.admin`vacuum analyze`;

    const sql = await plot.connect(1, { settings: { jit: "off" } }).reserve();
    for (let at = 0; at < sizes.warmUps; at++) await explainAndTakeBack(sql, claimOf(1));
    const samples: Snapshotted["samples"] = [];
    const begin = performance.now();
    const look = async (phase: Phase, times: number, pauseMs: number) => {
      for (let at = 0; at < times; at++) {
        samples.push({
          phase,
          atMs: performance.now() - begin,
          ...await explainAndTakeBack(sql, claimOf(1)),
        });
        await delay(pauseMs);
      }
    };

    await look("before", edge, 0);
    const old = await plot.connect(1).reserve();
    await old`begin isolation level repeatable read`;
    await old`select txid_current_snapshot()`;
    let turn = 0;
    // As many ready jobs at the end as at the begin: each client takes one for the one it adds.
    const traffic = runClients(sizes.snapshotClients, sizes.snapshotMs, async () => {
      await startOne(kernel, ids[turn++ % users]!);
      const claims = await kernel.claim(1);
      for (const claim of claims) await kernel.finish(claim);
      return claims.length;
    });
    const looks = 30;
    await look("held", looks, sizes.snapshotMs / looks);
    const { done } = await traffic;
    await look("held", edge, 0);
    await old`rollback`;
    await plot.admin`vacuum`;
    await look("after", edge + 1, 0);
    return { jobsDone: done, samples };
  } finally {
    await plot.close();
  }
}

export function snapshotTable(
  { jobsDone, samples }: Snapshotted,
  { snapshotMs, snapshotClients }: Sizes["buffers"],
): Table {
  const of = (phase: Phase) => samples.filter((each) => each.phase === phase);
  const rows = [
    ["before", of("before")],
    ["held, first", of("held").slice(0, edge)],
    ["held, last", of("held").slice(-edge)],
    ["released and vacuumed", of("after").slice(-edge)],
  ] as const;
  const first = median(rows[0][1].map(({ buffers }) => buffers));
  return {
    title: `Buffers: a claim while another session holds a snapshot for ${snapshotMs / 1000} s`,
    columns: ["snapshot", "buffers", "ratio", "ms"],
    rows: rows.map(([name, touched]) => {
      const buffers = median(touched.map((each) => each.buffers));
      return [name, buffers, (buffers / first).toFixed(2), median(touched.map(({ ms }) => ms)).toFixed(2)];
    }),
    notes: [
      `${snapshotClients} clients carry ${jobsDone} jobs through their whole lives meanwhile; ${backlog} jobs are ready all the ` +
      `time. Medians of ${edge} claims of one job, each rolled back.`,
    ],
  };
}
