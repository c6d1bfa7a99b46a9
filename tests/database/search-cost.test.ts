// What a page of the feed costs in a large library: the same at its end as at its beginning.
// GENFLOW_LIBRARY_JOBS sets the size; buffers and milliseconds are then printed.

import { expect, test } from "vitest";
import type { SearchRequest } from "../../shared/contract/mod.ts";
import { openDatabase } from "./database.ts";
import { fillLibrary, momentOf } from "./library.ts";
import { createSearcher } from "./searching.ts";

const db = await openDatabase();
const { sql } = db;
const searcher = createSearcher(db);

const asked = process.env["GENFLOW_LIBRARY_JOBS"];
const jobs = Number(asked ?? 12_000);
const favoriteEvery = 500;
const pageItems = 50;
const maxLookedAt = 2_000;
const maxGrowth = 1.5;
const timeout = 120_000;

interface Explained {
  "QUERY PLAN": [{ Plan: Record<string, number>; "Execution Time": number }];
}

/** Pages of the database that a call touches, in a session that made its plans while the tables were empty. */
async function measuring(
  judge: (buffersOf: (request: SearchRequest) => Promise<number>, userId: string) => Promise<void>,
): Promise<void> {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  await db.asUser(userId, async (as) => {
    const explain = async (request: SearchRequest) => {
      const statement = `select public.search_generations('${JSON.stringify(request)}')`;
      const [row] = await as.unsafe<Explained[]>(`explain (analyze, buffers, format json) ${statement}`);
      return row!["QUERY PLAN"][0];
    };
    await explain({});
    for (const id of [otherId, userId]) await fillLibrary(sql, { userId: id, jobs, favoriteEvery });
    await judge(async (request) => {
      await explain(request); // what a first call reads of the catalogue is not counted
      const { Plan, "Execution Time": milliseconds } = await explain(request);
      const buffers = Plan["Shared Hit Blocks"]! + Plan["Shared Read Blocks"]!;
      if (asked !== undefined) console.log(JSON.stringify({ request, buffers, milliseconds }));
      return buffers;
    }, userId);
  });
}

const at = (number: number) => ({ createdAt: momentOf(number), id: "00000000-0000-4000-8000-000000000000" });

test(`a page costs the same at either end of ${jobs} generations`, () =>
  measuring(async (buffersOf) => {
    const maxBuffers = 20 * pageItems;
    const depths: [SearchRequest, SearchRequest][] = [
      [{}, { after: at(2 * pageItems) }],
      [{ sort: "oldest" }, { sort: "oldest", after: at(jobs - 2 * pageItems) }],
    ];
    for (const [beginning, end] of depths) {
      const cost = await buffersOf(beginning);
      expect(cost).toBeLessThan(maxBuffers);
      expect(await buffersOf(end)).toBeLessThanOrEqual(maxGrowth * cost);
    }
  }), timeout);

test(
  "sparse favorites cost their page, words on all cost a page, and where nothing fits a call stops looking",
  () =>
    measuring(async (buffersOf, userId) => {
      const page = await buffersOf({});
      for (const sort of ["newest", "oldest"] as const) {
        const { items } = await searcher.ask(userId, { favorite: true, sort });
        expect(items).toHaveLength(Math.min(pageItems, jobs / favoriteEvery));
        expect(await buffersOf({ favorite: true, sort })).toBeLessThanOrEqual(2 * page);
      }
      expect(await buffersOf({ words: "OTTER reads" })).toBeLessThanOrEqual(2 * page);
      expect(await buffersOf({ modelIds: ["flux-dev"] })).toBeLessThan(maxLookedAt);
      expect(await buffersOf({ words: "absent" })).toBeLessThan(6 * maxLookedAt);
    }),
  timeout,
);

test(
  "a rare word is found in whatever stretch it stands, newest and oldest first, and the last page is the end",
  async () => {
    const userId = await db.addUser();
    await fillLibrary(sql, { userId, jobs, favoriteEvery });
    const all = Array.from({ length: jobs / favoriteEvery }, (_, at) => momentOf(at * favoriteEvery));
    for (const sort of ["newest", "oldest"] as const) {
      const pages = await searcher.pages(userId, { words: "rare", sort });
      expect(pages).toHaveLength(Math.floor(jobs / maxLookedAt) + 1);
      const found = pages.flat().map(({ job }) => job.createdAt);
      expect(found).toEqual(sort === "oldest" ? all : all.toReversed());
    }
  },
  timeout,
);
