// Whatever order pages, pushes, reads and changes come in: in the end a feed shows what a search would find, each once
// and in order, and nothing that was deleted comes back meanwhile.

import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyFeed, type FeedQuery, type FeedState, openFeed } from "../../shared/client/feed/mod.ts";
import { createCell } from "../../shared/client/live.ts";
import { openRecords } from "../../shared/client/records.ts";
import { createShelf } from "../../shared/client/shelf.ts";
import { memoryStorage } from "../../shared/client/storage.ts";
import { createSync } from "../../shared/client/sync.ts";
import type { ChangeMessage, GenerationStatus } from "../../shared/contract/mod.ts";
import { createHandClock } from "./hand-clock.ts";
import { createModel, lost } from "./model.ts";

type Fate = "comes" | "lost" | "twice";
type Act =
  | { act: "start"; modelId: string; prompt: string }
  | { act: "tap"; modelId: string; prompt: string }
  | { act: "progress"; pick: number; to: GenerationStatus }
  | { act: "favorite"; pick: number; favorite: boolean }
  | { act: "delete"; pick: number }
  | { act: "push"; fate: Fate }
  | { act: "network"; isThere: boolean; isLagging: boolean }
  | { act: "read" }
  | { act: "more" }
  | { act: "refresh" }
  | { act: "query"; query: FeedQuery }
  | { act: "time"; seconds: number };

const pick = fc.nat({ max: 20 });
const asked = {
  modelId: fc.constantFrom("one", "two"),
  prompt: fc.constantFrom("a red fox", "a blue whale"),
};
const ends: GenerationStatus[] = ["processing", "completed", "completed", "failed"];
const query: fc.Arbitrary<FeedQuery> = fc.record({
  words: fc.constantFrom("fox", "whale a", " "),
  modelIds: fc.constantFrom<string[]>(["one"], ["two", "three"], []),
  statuses: fc.constantFrom<GenerationStatus[]>(["completed"], ["queued", "failed"]),
  favorite: fc.boolean(),
  sort: fc.constantFrom("newest" as const, "oldest" as const),
}, { requiredKeys: [] }).map((filters) => ({ ...filters, pageSize: 2 }));
const is = <Name extends string>(act: Name) => ({ act: fc.constant(act) });
const acted: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ...is("start"), ...asked }) },
  { weight: 2, arbitrary: fc.record({ ...is("tap"), ...asked }) },
  { weight: 6, arbitrary: fc.record({ ...is("progress"), pick, to: fc.constantFrom(...ends) }) },
  { weight: 3, arbitrary: fc.record({ ...is("favorite"), pick, favorite: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ ...is("delete"), pick }) },
  {
    weight: 8,
    arbitrary: fc.record({
      ...is("push"),
      fate: fc.constantFrom<Fate>("comes", "comes", "comes", "lost", "twice"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ ...is("network"), isThere: fc.boolean(), isLagging: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record(is("read")) },
  { weight: 3, arbitrary: fc.record(is("more")) },
  { weight: 1, arbitrary: fc.record(is("refresh")) },
  { weight: 1, arbitrary: fc.record({ ...is("query"), query }) },
  { weight: 3, arbitrary: fc.record({ ...is("time"), seconds: fc.constantFrom(0.3, 5) }) },
);

/** With how many of the journeys that are under way come to an end after it. */
const act = fc.tuple(acted, fc.constantFrom(0, 1, 3, 20)).map(([each, steps]) => ({ ...each, steps }));

async function live(scheduler: fc.Scheduler, first: FeedQuery, acts: (Act & { steps: number })[]) {
  const clock = createHandClock();
  const messages: ChangeMessage[] = [];
  const model = createModel((message) => messages.push(message));
  let [isThere, lag, seen, taps] = [true, 0, 0, 0];
  const reader = model.reader(() => seen = Math.max(seen, model.seq() - lag));
  /** The journey there and back, each as long as the scheduler likes. */
  const asking = <Name extends keyof typeof reader>(name: Name) =>
    (async (...args: unknown[]) => {
      await scheduler.schedule(Promise.resolve(), "there");
      if (!isThere) throw lost();
      const answer = await (reader[name] as (...args: unknown[]) => Promise<unknown>)(...args);
      await scheduler.schedule(Promise.resolve(), "back");
      return answer;
    }) as unknown as typeof reader[Name];
  const backend = {
    account: asking("account"),
    changesAfter: asking("changesAfter"),
    live: asking("live"),
    jobs: asking("jobs"),
    imagesOf: asking("imagesOf"),
    queue: asking("queue"),
    search: asking("search"),
  };
  const records = await openRecords(createShelf(memoryStorage(), "user"));
  const sync = createSync({ backend, records, clock, resume: () => Promise.resolve() });
  sync.catchUp().catch(() => {});
  const state = createCell<FeedState>(emptyFeed(first));
  const feed = openFeed({ backend, records, sync, clock }, first, state);
  const toldDeleted = new Set<string>();

  function looked(): void {
    const { items } = state.get();
    expect(new Set(items.map(({ key }) => key)).size, "a key twice").toBe(items.length);
    const ids = items.flatMap(({ job }) => job ? [job.id] : []);
    expect(new Set(ids).size, "a job twice").toBe(ids.length);
    const back = items.flatMap(({ images }) => images).filter(({ id }) => toldDeleted.has(id));
    expect(back, "a deleted picture is back").toEqual([]);
  }

  for (const each of acts) {
    switch (each.act) {
      case "start":
        model.start(`elsewhere ${model.jobs.size}`, each);
        break;
      case "tap": {
        const key = `10000000-0000-4000-8000-${String(++taps).padStart(12, "0")}`;
        const { modelId, prompt } = each;
        const tapped = {
          key,
          draftId: null,
          request: { modelId, prompt, aspectRatio: "1:1" },
          tappedAt: new Date(clock.now()).toISOString(),
          triedAtMs: clock.now(),
          error: null,
        };
        await records.note({ ...tapped, phase: "sending" });
        looked();
        const job = model.start(key, each);
        // Its answer comes once it can be read.
        seen = model.seq();
        await records.note({ ...tapped, phase: "accepted" });
        records.merge({ jobs: [job], images: [] });
        break;
      }
      case "progress": {
        const job = [...model.jobs.values()][each.pick % Math.max(1, model.jobs.size)];
        if (job) model.progress(job.job.id, each.to);
        break;
      }
      case "favorite":
      case "delete": {
        const image = [...model.images.keys()][each.pick % Math.max(1, model.images.size)];
        if (!image) break;
        if (each.act === "delete") model.deleteImage(image);
        else model.setFavorite(image, each.favorite);
        break;
      }
      case "push": {
        const message = messages.shift();
        if (!message || each.fate === "lost") break;
        for (const { id, deletedAt } of message.images) if (deletedAt) toldDeleted.add(id);
        sync.onPush(message);
        if (each.fate === "twice") messages.push(message);
        break;
      }
      case "network":
        isThere = each.isThere;
        lag = each.isLagging ? 2 : 0;
        break;
      case "read":
        sync.catchUp().catch(() => {});
        break;
      case "more":
        void feed.more();
        break;
      case "refresh":
        void feed.refresh();
        break;
      case "query":
        feed.change(each.query);
        break;
      case "time":
        clock.pass(each.seconds);
        break;
    }
    // What needs nobody's answer happens at once.
    await new Promise((resolve) => setImmediate(resolve));
    for (let step = 0; step < each.steps && scheduler.count() > 0; step++) await scheduler.waitNext(1);
    looked();
  }

  // The network is well again, and what waits comes when its time has come.
  [isThere, lag] = [true, 0];
  const settle = async () => {
    for (let round = 0; round < 6; round++) {
      await scheduler.waitIdle();
      clock.pass(35);
    }
    await scheduler.waitIdle();
  };
  await settle();
  sync.catchUp().catch(() => {});
  await settle();
  looked();
  const read = state.get();
  while (state.get().hasMore) {
    void feed.more();
    await settle();
  }
  looked();
  feed.close();
  sync.stop();
  return { model, read, state: state.get() };
}

test("in the end a feed shows what a search finds", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      query,
      fc.array(act, { maxLength: 60, size: "max" }),
      async (scheduler, first, acts) => {
        const { model, read, state } = await live(scheduler, first, acts);
        const { pageSize: _, ...request } = state.query;
        const all = model.found(searchable(request)).map(({ job, images }) => ({ job, images }));
        const shown = (items: FeedState["items"]) => items.map(({ job, images }) => ({ job, images }));
        expect(shown(state.items)).toEqual(all);
        expect(state).toMatchObject({ phase: "ready", error: null, hasMore: false });
        // Without reading on, nothing was missing in the middle either.
        expect(shown(read.items)).toEqual(all.slice(0, read.items.length));
      },
    ),
    { numRuns: Number(process.env["GENFLOW_PROPERTY_RUNS"] ?? 500), ...seedOf() },
  );
}, 120_000);

/** An empty list is no filter. */
function searchable({ modelIds, ...request }: Omit<FeedQuery, "pageSize">): FeedQuery {
  return modelIds && modelIds.length > 0 ? { ...request, modelIds } : request;
}

function seedOf(): { seed?: number; path?: string } {
  const { GENFLOW_PROPERTY_SEED: seed, GENFLOW_PROPERTY_PATH: path } = process.env;
  return { ...(seed && { seed: Number(seed) }), ...(path && { path }) };
}
