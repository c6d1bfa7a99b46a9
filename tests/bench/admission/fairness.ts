// How long fresh users wait for the first claim of their one job behind another user's backlog.

import { setTimeout as delay } from "node:timers/promises";
import type { Ground } from "../ground.ts";
import type { Part } from "../part.ts";
import type { Verdict } from "../report.ts";
import type { Sizes } from "../sizes.ts";
import { percentile } from "../statistics.ts";
import type { Cell } from "../table.ts";
import { type LineKind, lineKinds } from "./lines.ts";

interface Wait {
  /** From asking for the job to the claim's answer; null: not claimed while it was waited for. */
  waitMs: number | null;
  /** Claims made for others in between. */
  claimsBetween: number;
}

interface Outcome {
  name: string;
  rule: string;
  /** Claims of a round of turns, if there are turns. */
  roundOfTurns: number | null;
  waits: Wait[];
  /** Of the backlog's user, over the whole time. */
  claimsPerSecond: number;
  backlogLeft: number;
}

export const fairness: Part = {
  name: "fairness",
  async measure(ground, { fairness: sizes }) {
    const outcomes: Outcome[] = [];
    for (const kind of lineKinds(sizes)) outcomes.push(await standInLine(ground, kind, sizes));
    return {
      settings: { ...sizes },
      tables: [{
        title: `Fairness: first claim of ${sizes.freshUsers} fresh users behind ${sizes.backlog} ` +
          "queued jobs of one user",
        columns: [
          "who",
          "rule",
          "p50 ms",
          "max ms",
          "claims between p50",
          "max",
          "never in time",
          "claims/s",
          "backlog lasts s",
        ],
        rows: outcomes.map(row(sizes)),
        notes: [
          `${sizes.workers} workers; each job keeps its worker for ${sizes.workMs} ms. The fresh users start at once, ` +
          `after ${sizes.warmUpMs} ms of work on the backlog; waited for ${sizes.patienceMs} ms. What is later than that ` +
          "is counted as claimed then; first in, first out means when the backlog is done.",
          "Priority makes room for those whom the sender calls urgent; two of them behind one another's backlog are where they were.",
        ],
      }],
      verdicts: [judge(outcomes)],
      samples: outcomes,
    };
  },
};

/** A round: for each user with ready jobs as many as the user's cap allows; here the backlog's and one of each fresh user. */
function judge(outcomes: readonly Outcome[]): Verdict {
  const most = outcomes.flatMap(({ roundOfTurns, waits }) =>
    roundOfTurns === null
      ? []
      : [{ roundOfTurns, between: Math.max(...waits.map((wait) => wait.claimsBetween)) }]
  );
  return {
    promise: "fairness: a fresh user is claimed within one round of turns",
    measured: most.map(({ roundOfTurns, between }) => `after ${between} claims at most, of ${roundOfTurns}`)
      .join("; "),
    kept: most.every(({ roundOfTurns, between }) => between <= roundOfTurns),
  };
}

async function standInLine(ground: Ground, kind: LineKind, sizes: Sizes["fairness"]): Promise<Outcome> {
  const line = await kind.open(ground, sizes);
  try {
    const claims: { userId: string; atMs: number }[] = [];
    const fresh = new Set(line.freshUsers);
    let unclaimed = fresh.size;
    const { promise: allClaimed, resolve } = Promise.withResolvers<void>();
    const begin = performance.now();
    const stop = await line.work((userId) => {
      claims.push({ userId, atMs: performance.now() });
      if (fresh.delete(userId) && --unclaimed === 0) resolve();
    });
    await delay(sizes.warmUpMs);
    const arrivals = await Promise.all(line.freshUsers.map(async (userId) => {
      const arrival = { userId, atMs: performance.now(), claimsBefore: claims.length };
      await line.enqueue(userId);
      return arrival;
    }));
    await Promise.race([allClaimed, delay(sizes.patienceMs, undefined, { ref: false })]);
    const elapsedMs = performance.now() - begin;
    const made = [...claims];
    await stop();
    const backlog = made.filter(({ userId }) => !line.freshUsers.includes(userId)).length;
    return {
      name: kind.name,
      rule: kind.rule,
      roundOfTurns: kind.userCap === undefined ? null : kind.userCap + line.freshUsers.length,
      waits: arrivals.map(({ userId, atMs, claimsBefore }) => {
        const at = made.findIndex((claim) => claim.userId === userId);
        if (at < 0) return { waitMs: null, claimsBetween: made.length - claimsBefore };
        return { waitMs: made[at]!.atMs - atMs, claimsBetween: at - claimsBefore };
      }),
      claimsPerSecond: made.length / elapsedMs * 1000,
      backlogLeft: sizes.backlog - backlog,
    };
  } finally {
    await line.close();
  }
}

const row =
  ({ patienceMs }: Sizes["fairness"]) =>
  ({ name, rule, waits, claimsPerSecond, backlogLeft }: Outcome): Cell[] => {
    const times = waits.map(({ waitMs }) => waitMs ?? Infinity);
    const between = waits.map(({ claimsBetween }) => claimsBetween);
    const time = (ms: number) => Number.isFinite(ms) ? ms.toFixed(1) : `> ${patienceMs}`;
    return [
      name,
      rule,
      time(percentile(times, 0.5)),
      time(Math.max(...times)),
      percentile(between, 0.5),
      Math.max(...between),
      waits.filter(({ waitMs }) => waitMs === null).length,
      claimsPerSecond,
      Math.round(backlogLeft / claimsPerSecond),
    ];
  };
