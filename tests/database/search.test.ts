// search_generations: what each part of a request asks for, and whom it answers. Paging is in search-pages.test.ts,
// refusals and silence in search-refusals.test.ts, what it costs in search-cost.test.ts.

import { expect, test } from "vitest";
import type { SearchRequest } from "../../shared/contract/mod.ts";
import { openDatabase } from "./database.ts";
import { createScenario, prompt } from "./scenario.ts";
import { createSearcher, type Generation, generation } from "./searching.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);
const searcher = createSearcher(db);

const plain = { favorite: false, flagged: false, deleted: false };

/** Puts the named generations in, the first the newest, and tells what a search finds of them by their names. */
async function finder(named: Record<string, Partial<Generation>>) {
  const userId = await db.addUser();
  const made = Object.entries(named).map(([name, more], at) =>
    [name, generation({ microseconds: -at, ...more })] as const
  );
  await searcher.put(userId, made.map(([, each]) => each));
  return async (request: SearchRequest = {}) => {
    const { items } = await searcher.ask(userId, request);
    return items.map(({ job }) => made.find(([, { id }]) => id === job.id)?.[0]);
  };
}

test("a generation comes as its row and its pictures are, with the account's number", async () => {
  const userId = await db.addUser();
  const { jobId } = await scenario.completed(userId);
  const answer = await searcher.ask(userId);
  const [row] = await sql<{ job: unknown; images: unknown; seq: number }[]>`
    select genflow.job_json(j) as job, (select jsonb_agg(genflow.image_json(i)) from public.generation_images i) as images,
      (select feed_seq::integer from genflow.accounts) as seq
    from public.generation_jobs j where id = ${jobId}`;
  expect(answer).toEqual({ items: [{ job: row!.job, images: row!.images }], next: null, seq: row!.seq });
});

test("who has no account yet has an empty feed, and gets none by looking", async () => {
  expect(await searcher.ask(await db.addUser())).toEqual({ items: [], next: null, seq: 0 });
  expect(await sql`select from genflow.accounts`).toHaveLength(0);
});

test("the newest come first, or the oldest, and the same moment is ordered by id", async () => {
  const userId = await db.addUser();
  const made = [3, 1, 2, 1, 1].map((microseconds) => generation({ microseconds }));
  await searcher.put(userId, made);
  const oldest = made.toSorted((a, b) => a.microseconds - b.microseconds || (a.id < b.id ? -1 : 1)).map((
    { id },
  ) => id);
  const ids = async (request: SearchRequest) =>
    (await searcher.ask(userId, request)).items.map(({ job }) => job.id);
  expect(await ids({ sort: "oldest" })).toEqual(oldest);
  expect(await ids({ sort: "newest" })).toEqual(oldest.toReversed());
  expect(await ids({})).toEqual(oldest.toReversed());
});

test("models, ratios and statuses are each any of those named, and all of them together", async () => {
  const find = await finder({
    one: { modelId: "flux-dev", aspectRatio: "16:9" },
    two: { modelId: "flux-dev", status: "failed", pictures: [] },
    three: { modelId: "qwen-image", aspectRatio: "16:9", status: "queued", pictures: [] },
  });
  expect(await find({ modelIds: ["flux-dev"] })).toEqual(["one", "two"]);
  expect(await find({ modelIds: ["qwen-image", "flux-dev"] })).toEqual(["one", "two", "three"]);
  expect(await find({ modelIds: ["gone"] })).toEqual([]);
  expect(await find({ aspectRatios: ["16:9"] })).toEqual(["one", "three"]);
  expect(await find({ statuses: ["queued", "failed"] })).toEqual(["two", "three"]);
  expect(await find({ modelIds: ["flux-dev"], aspectRatios: ["16:9"], statuses: ["completed"] })).toEqual([
    "one",
  ]);
});

test("favorite and flagged ask for a picture that is not deleted and is both", async () => {
  const find = await finder({
    favorite: { pictures: [plain, { ...plain, favorite: true }] },
    flagged: { pictures: [{ ...plain, flagged: true }] },
    both: { pictures: [{ ...plain, flagged: true, favorite: true }] },
    apart: { pictures: [{ ...plain, flagged: true }, { ...plain, favorite: true }] },
    neither: { pictures: [plain] },
    deleted: { pictures: [plain, { favorite: true, flagged: true, deleted: true }] },
    live: { status: "processing", pictures: [] },
  });
  expect(await find({ favorite: true })).toEqual(["favorite", "both", "apart"]);
  expect(await find({ flagged: true })).toEqual(["flagged", "both", "apart"]);
  expect(await find({ favorite: true, flagged: true })).toEqual(["both"]);
  expect(await find({ favorite: true, flagged: false })).toEqual(["favorite", "apart"]);
  expect(await find({ favorite: false })).toEqual(["favorite", "flagged", "apart", "neither", "deleted"]);
  expect(await find({ favorite: true, sort: "oldest" })).toEqual(["apart", "both", "favorite"]);
});

test("a picture that is marked by the app is found by its mark, in the feed's order and not in that of the pictures", async () => {
  const userId = await db.addUser();
  const first = await scenario.delivered(userId);
  const { jobId: secondId } = await scenario.completed(userId);
  const persist = await scenario.lease(first.attemptId); // its picture is the later one
  await scenario.store(persist);
  await scenario.complete(persist);
  const images = await sql<{ id: string }[]>`select id from public.generation_images`;
  for (const { id } of images) await db.asUser(userId, (as) => as`select public.set_favorite(${id}, true)`);
  const { items } = await searcher.ask(userId, { favorite: true });
  expect(items.map(({ job }) => job.id)).toEqual([secondId, first.jobId]);
});

test("a completed generation whose pictures are all deleted is gone; a failed one and one that runs never had any", async () => {
  const find = await finder({
    emptied: { pictures: [{ ...plain, deleted: true }] },
    failed: { status: "failed", pictures: [] },
    running: { status: "processing", pictures: [] },
    canceled: { status: "canceled", pictures: [] },
  });
  expect(await find()).toEqual(["failed", "running", "canceled"]);
  expect(await find({ statuses: ["completed"] })).toEqual([]);
  const userId = await db.addUser();
  await searcher.put(userId, [generation({ pictures: [{ ...plain, deleted: true }, plain] })]);
  const { items: [item] } = await searcher.ask(userId);
  expect(item?.images.map(({ index }) => index)).toEqual([1]);
});

test.each<[words: string, found: string[]]>([
  ["otter", ["otter", "both"]],
  ["OTTER rain", ["both"]],
  ["rain   OTTER\t", ["both"]],
  ["ott ain", ["both"]],
  ["é", ["accent"]],
  ["É", ["accent"]],
  ["cafe", []],
  ["100%", ["percent"]],
  ["%", ["percent"]],
  ["10_%", []],
  ["_", ["underscore"]],
  ["a\\b", ["backslash"]],
  ["\\", ["backslash"]],
  ["\\%", []],
  ["'", ["quote"]],
  ["' or true --", []],
  ["雨　狐", ["japanese"]],
  ["🦊", ["japanese"]],
  [" \u00a0\u3000\n ", [
    "otter",
    "both",
    "accent",
    "percent",
    "underscore",
    "backslash",
    "quote",
    "japanese",
  ]],
])("words %j are looked for as they stand, in any case", async (words, found) => {
  const find = await finder({
    otter: { prompt: "an Otter" },
    both: { prompt: "rain on the otter" },
    accent: { prompt: "a Café, CAFÉ" },
    percent: { prompt: "100% of it, 10x" },
    underscore: { prompt: "snake_case" },
    backslash: { prompt: "A\\B" },
    quote: { prompt: "the fox's" },
    japanese: { prompt: "狐の雨 🦊" },
  });
  expect(await find({ words })).toEqual(found);
});

test("another's generations are in nobody's feed, by whatever question", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  await searcher.put(otherId, [
    generation({
      microseconds: 1,
      prompt: "mine",
      pictures: [{ favorite: true, flagged: true, deleted: false }],
    }),
    generation({ status: "failed", pictures: [] }),
  ]);
  await searcher.put(userId, [generation({ prompt: "mine" })]);
  const [{ items: [other] }, { items: [own] }] = [await searcher.ask(otherId), await searcher.ask(userId)];
  const questions: SearchRequest[] = [
    {},
    { sort: "oldest" },
    { words: "mine" },
    { favorite: true },
    { flagged: true, sort: "oldest" },
    { statuses: ["failed"] },
    { after: { createdAt: "2027-01-01T00:00:00Z", id: other!.job.id } },
    { sort: "oldest", after: { createdAt: "2025-01-01T00:00:00Z", id: other!.job.id } },
  ];
  for (const question of questions) {
    const { items } = await searcher.ask(userId, question);
    expect(items.filter(({ job }) => job.id !== own!.job.id)).toEqual([]);
  }
});

test("a start is found by the words of its prompt, under its own number and no later one", async () => {
  const userId = await db.addUser();
  const jobId = await scenario.start(userId);
  const { items: [item], seq } = await searcher.ask(userId, { words: prompt.slice(3, 10).toUpperCase() });
  expect(item?.job).toMatchObject({ id: jobId, seq });
});
