// Pages of any search, one after the other, are what a plain list says they are; and who pages while generations come
// and go sees each that stays exactly once.

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { generationStatuses, type SearchRequest, searchWords } from "../../shared/contract/mod.ts";
import { openDatabase } from "./database.ts";
import { createSearcher, type Generation, generation } from "./searching.ts";

const db = await openDatabase();
const { sql } = db;
const searcher = createSearcher(db);

const models = ["flux-schnell", "flux-dev", "qwen-image"];
const ratios = ["1:1", "16:9", "9:16"];
const fragments = ["Otter", "OTTER", "100%", "50_50", "back\\slash", "Ünder", "é", "雨", "'", "rain"];
const sizes = { maxGenerations: 25, maxLimit: 7 };

const anyGeneration = fc.record({
  microseconds: fc.integer({ min: -4, max: 4 }), // many at the same moment
  modelId: fc.constantFrom(...models),
  aspectRatio: fc.constantFrom(...ratios),
  status: fc.oneof(fc.constant("completed" as const), fc.constantFrom(...generationStatuses)),
  prompt: fc.array(fc.constantFrom(...fragments), { maxLength: 4 }).map((parts) => parts.join(" ")),
  pictures: fc.array(fc.record({ favorite: fc.boolean(), flagged: fc.boolean(), deleted: fc.boolean() }), {
    maxLength: 3,
  }),
}).map((more) => generation(more));
const anyGenerations = fc.array(anyGeneration, { maxLength: sizes.maxGenerations });

const some = <Value>(values: readonly Value[]) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
/** Seldom there: of many filters at once little is left to page through. */
const seldom = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const anyRequest = fc.record({
  words: seldom(
    fc.array(fc.constantFrom(...fragments, "ott", "%", "_", "\\", "absent"), { maxLength: 2 })
      .map((words) => words.join("  ").toLowerCase()),
  ),
  modelIds: seldom(some(models)),
  aspectRatios: seldom(some(ratios)),
  statuses: seldom(some(generationStatuses)),
  favorite: seldom(fc.boolean()),
  flagged: seldom(fc.boolean()),
  sort: fc.constantFrom("newest" as const, "oldest" as const, undefined),
  limit: fc.integer({ min: 1, max: sizes.maxLimit }),
}).map((request): SearchRequest => JSON.parse(JSON.stringify(request)));

/** Ids of a trial's own: the same generations are put in again while a failing trial is made smaller. */
const anew = (generations: Generation[]) => generations.map((each) => ({ ...each, id: randomUUID() }));

/** The whole list, reckoned in memory. */
function expected(generations: Generation[], request: SearchRequest): string[] {
  const { words = "", modelIds, aspectRatios, statuses, favorite, flagged, sort } = request;
  const fits = ({ prompt, modelId, aspectRatio, status, pictures }: Generation) =>
    searchWords(words).every((word) => prompt.toLowerCase().includes(word.toLowerCase())) &&
    (modelIds ?? [modelId]).includes(modelId) && (aspectRatios ?? [aspectRatio]).includes(aspectRatio) &&
    (statuses ?? [status]).includes(status) &&
    (status !== "completed" && favorite === undefined && flagged === undefined ||
      pictures.some((each) =>
        !each.deleted && each.favorite === (favorite ?? each.favorite) &&
        each.flagged === (flagged ?? each.flagged)
      ));
  const oldest = generations.filter(fits)
    .toSorted((a, b) => a.microseconds - b.microseconds || (a.id < b.id ? -1 : 1)).map(({ id }) => id);
  return sort === "oldest" ? oldest : oldest.toReversed();
}

const runs = Number(process.env["GENFLOW_RUNS"] ?? 60);
const idsOf = (pages: Awaited<ReturnType<typeof searcher.pages>>) =>
  pages.map((items) => items.map(({ job }) => job.id));

test(
  "the pages of any search, put together, are the list that a model makes, and only the last is not full",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        anyGenerations,
        fc.array(anyRequest, { minLength: 1, maxLength: 4 }),
        async (drawn, requests) => {
          const generations = anew(drawn);
          const userId = await db.addUser();
          await searcher.put(userId, generations);
          for (const request of requests) {
            const pages = idsOf(await searcher.pages(userId, request));
            expect(pages.flat()).toEqual(expected(generations, request));
            for (const page of pages.slice(0, -1)) expect(page).toHaveLength(request.limit!);
          }
        },
      ),
      { numRuns: runs },
    );
  },
  60_000,
);

test(
  "while generations come and go between pages, one that stays comes once, in its place, and a deleted one no more",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        anyGenerations,
        anyRequest,
        fc.array(fc.record({ comes: fc.array(anyGeneration, { maxLength: 3 }), goes: fc.nat() }), {
          maxLength: 6,
        }),
        async (drawn, request, happenings) => {
          const generations = anew(drawn);
          const userId = await db.addUser();
          await searcher.put(userId, generations);
          const gone = new Map<string, number>();
          const came: Generation[] = [];
          let asked = 0;
          const pages = idsOf(
            await searcher.pages(userId, request, async () => {
              const happening = happenings[asked++];
              if (!happening) return;
              const comes = anew(happening.comes);
              await searcher.put(userId, comes);
              came.push(...comes);
              const going = generations[happening.goes % generations.length]!;
              await deletePictures(going.id);
              if (going.pictures.length > 0) gone.set(going.id, asked);
            }),
          );
          const seen = pages.flat();
          expect(new Set(seen).size).toBe(seen.length);
          // In order, whatever came: each is where the model puts it among all that there ever was.
          const all = expected([...generations, ...came], request);
          expect(seen).toEqual(all.filter((id) => seen.includes(id)));
          const stays = (id: string) => generations.some((each) => each.id === id) && !gone.has(id);
          expect(seen.filter(stays)).toEqual(expected(generations, request).filter(stays));
          for (const [id, at] of gone) {
            const { status } = generations.find((each) => each.id === id)!;
            if (status === "completed") expect(pages.slice(at).flat()).not.toContain(id);
          }
        },
      ),
      { numRuns: runs },
    );
  },
  60_000,
);

async function deletePictures(jobId: string): Promise<void> {
  await sql`update public.generation_images set deleted_at = now() where job_id = ${jobId} and deleted_at is null`;
}

test("a cursor is a place to the microsecond and the id: pages of one leave none of close neighbours out, by any way", async () => {
  const userId = await db.addUser();
  const pictures = [{ favorite: true, flagged: false, deleted: false }];
  const generations = Array.from(
    { length: 20 },
    (_, at) => generation({ microseconds: 999_995 + Math.floor(at / 2), pictures }),
  );
  await searcher.put(userId, generations);
  const orders = ["newest", "oldest"] as const;
  for (const request of orders.flatMap((sort): SearchRequest[] => [{ sort }, { sort, favorite: true }])) {
    const pages = idsOf(await searcher.pages(userId, { ...request, limit: 1 }));
    expect(pages.flat()).toEqual(expected(generations, request));
  }
});
