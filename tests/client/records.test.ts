// Whatever order taps, answers, pushes, reads, relaunches and sign-outs come in: in the end the records are what the
// backend has, each once, and no tap is forgotten.

import fc from "fast-check";
import { expect, test } from "vitest";
import { openDrafts, type OwnDrafts } from "../../shared/client/drafts.ts";
import { refusal } from "../../shared/client/error.ts";
import { openRecords, type Records } from "../../shared/client/records.ts";
import { createRequests, type Requests } from "../../shared/client/requests.ts";
import { createShelf, type Shelf } from "../../shared/client/shelf.ts";
import { memoryStorage } from "../../shared/client/storage.ts";
import { createSync, type Sync } from "../../shared/client/sync.ts";
import { type ChangeMessage, type GenerationStatus, hasEnded } from "../../shared/contract/mod.ts";
import { createHandClock } from "./hand-clock.ts";
import { createModel, lost, type Model } from "./model.ts";

type Fate = "heard" | "not heard" | "answer lost" | "refused";
type Act =
  | { act: "tap"; key: number; fate: Fate }
  | { act: "progress"; pick: number; to: GenerationStatus }
  | { act: "elsewhere"; key: number }
  | { act: "delete"; pick: number }
  | { act: "push"; fate: "comes" | "lost" | "twice" }
  | { act: "read"; isLagging: boolean; fate: Fate }
  | { act: "time" }
  | { act: "relaunch" }
  | { act: "resend"; pick: number }
  | { act: "discard"; pick: number }
  | { act: "draft"; key: number; prompt: string | null }
  | { act: "cancel"; pick: number }
  | { act: "sign out" };

const keyOf = (key: number) => `10000000-0000-4000-8000-${String(key).padStart(12, "0")}`;
const fate = fc.constantFrom<Fate>("heard", "heard", "not heard", "answer lost");
const pick = fc.nat({ max: 20 });
const statuses: GenerationStatus[] = [
  "submitting",
  "processing",
  "persisting",
  "completed",
  "failed",
  "canceled",
];
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant("tap" as const),
      key: fc.nat({ max: 8 }),
      fate: fc.oneof(fate, fc.constant<Fate>("refused")),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ act: fc.constant("progress" as const), pick, to: fc.constantFrom(...statuses) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant("elsewhere" as const), key: fc.integer({ min: 20, max: 24 }) }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("delete" as const), pick }) },
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant("push" as const),
      fate: fc.constantFrom("comes" as const, "comes" as const, "lost" as const, "twice" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("read" as const), isLagging: fc.boolean(), fate }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("time" as const) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("relaunch" as const) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("resend" as const), pick }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("discard" as const), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant("draft" as const),
      key: fc.nat({ max: 2 }),
      prompt: fc.constantFrom("fox", "whale", null),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("cancel" as const), pick }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("sign out" as const) }) },
);

interface App {
  records: Records;
  requests: Requests;
  shelf: Shelf;
  sync: Sync;
  drafts: OwnDrafts;
  /** Calls of a killed app are never answered. */
  isDead: boolean;
}

async function live(scheduler: fc.Scheduler, acts: Act[]) {
  const storage = memoryStorage();
  let user = 0;
  let messages: ChangeMessage[] = [];
  let model: Model = createModel((message) => messages.push(message));
  let startFate: Fate = "heard";
  let readFate: Fate = "heard";
  let lag = 0;
  // What was seen once is seen from then on: there is one database.
  let seen = { seq: 0 };
  const tapped = new Set<string>();
  const ends = new Map<string, number>();
  const drafted = new Map<string, string>();
  const clock = createHandClock();

  async function pass(seconds: number): Promise<void> {
    clock.pass(seconds);
    await scheduler.waitIdle();
  }

  /** The journey there and back, each as long as the scheduler likes. */
  async function ask<Answer>(app: App, fate: Fate, answer: () => Answer | Promise<Answer>): Promise<Answer> {
    await scheduler.schedule(Promise.resolve(), "there");
    if (fate === "not heard") throw lost();
    const value = await answer();
    await scheduler.schedule(Promise.resolve(), "back");
    if (app.isDead) return await new Promise(() => {});
    if (fate === "answer lost") throw lost();
    return value;
  }

  async function launch(): Promise<App> {
    const shelf = createShelf(storage, `user-${user}`);
    const records = await openRecords(shelf);
    const app = { records, shelf, isDead: false } as App;
    const [theirs, theirSeen] = [model, seen];
    const reader = theirs.reader(() => theirSeen.seq = Math.max(theirSeen.seq, theirs.seq() - lag));
    const asking = <Name extends keyof typeof reader>(name: Name) =>
      ((...args: Parameters<typeof reader[Name]>) =>
        ask(
          app,
          readFate,
          () => (reader[name] as (...args: unknown[]) => unknown)(...args),
        )) as typeof reader[Name];
    const backend = {
      account: asking("account"),
      changesAfter: asking("changesAfter"),
      live: asking("live"),
      jobs: asking("jobs"),
      imagesOf: asking("imagesOf"),
      queue: asking("queue"),
    };
    app.requests = createRequests({
      backend: {
        jobs: backend.jobs,
        start: (key) =>
          ask(app, startFate === "refused" ? "heard" : startFate, () => {
            // What has become a job is answered with it, whatever holds for new ones.
            if (startFate === "refused" && !theirs.jobs.has(key)) throw refusedAnswer;
            const { job } = theirs.start(key);
            return {
              job,
              account: { balance: 0, seq: theirs.seq() },
              queue: { position: 0, exact: true, etaSeconds: 5, hold: null },
            };
          }),
      },
      records,
      retry: { clock, random: () => 0.5 },
    });
    app.sync = createSync({ backend, records, clock, resume: app.requests.resume });
    records.onEnd(({ key }) => ends.set(`${user} ${key}`, (ends.get(`${user} ${key}`) ?? 0) + 1));
    app.drafts = await openDrafts(shelf, records, clock);
    app.sync.catchUp().catch(() => {});
    return app;
  }

  async function kill(app: App): Promise<void> {
    app.isDead = true;
    await app.shelf.close();
    app.sync.stop();
    app.drafts.close();
    app.records.close();
    clock.forget();
  }

  let app = await launch();
  const looked = () => {
    const keys = app.records.all.get().map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    const ids = app.records.all.get().flatMap(({ job }) => job ? [job.id] : []);
    expect(new Set(ids).size).toBe(ids.length);
    const drafts = app.drafts.all.get().map(({ id, words }) => [id, words.prompt] as const);
    expect(new Map(drafts), "a draft is lost").toEqual(drafted);
  };

  for (const each of acts) {
    switch (each.act) {
      case "tap": {
        startFate = each.fate;
        const key = keyOf(each.key);
        // Who has seen an end taps with another key.
        if (ends.has(`${user} ${key}`)) break;
        tapped.add(key);
        app.requests.send({
          key,
          draftId: null,
          request: { prompt: "words", modelId: "m", aspectRatio: "1:1" },
        })
          .catch(() => {});
        break;
      }
      case "elsewhere":
        model.start(keyOf(each.key));
        break;
      case "progress": {
        const job = [...model.jobs.values()][each.pick % Math.max(1, model.jobs.size)];
        if (job) model.progress(job.job.id, each.to);
        break;
      }
      case "delete": {
        const image = [...model.images.keys()][each.pick % Math.max(1, model.images.size)];
        if (image) model.deleteImage(image);
        break;
      }
      case "push": {
        const message = messages.shift();
        if (!message || each.fate === "lost") break;
        app.sync.onPush(message);
        if (each.fate === "twice") messages.push(message);
        break;
      }
      case "read":
        lag = each.isLagging ? 1 : 0;
        readFate = each.fate;
        app.sync.catchUp().catch(() => {});
        break;
      case "time":
        await pass(35);
        break;
      case "relaunch":
        await kill(app);
        // It takes longer than a commit that was pushed takes to be readable.
        seen.seq = model.seq();
        app = await launch();
        break;
      case "draft": {
        const id = keyOf(each.key);
        if (each.prompt === null) {
          drafted.delete(id);
          app.drafts.remove(id);
        } else {
          drafted.set(id, each.prompt);
          app.drafts.save({ prompt: each.prompt }, id);
        }
        break;
      }
      case "cancel": {
        // As the service does: what is answered is merged, its push comes too.
        const { job } = [...model.jobs.values()][each.pick % Math.max(1, model.jobs.size)] ?? {};
        if (!job) break;
        model.progress(job.id, "canceled");
        // Its answer comes once it can be read.
        seen.seq = model.seq();
        const key = app.records.keyOf(job.id);
        if (key !== null) app.records.merge({ jobs: [model.jobs.get(key)!], images: [] });
        break;
      }
      case "resend":
      case "discard": {
        const open = app.records.requests().filter(({ phase }) => phase === "unsent" || phase === "refused");
        const request = open[each.pick % Math.max(1, open.length)];
        if (!request) break;
        if (each.act === "resend") app.requests.resend(request.key).catch(() => {});
        else {
          app.requests.discard(request.key).then((isGone) => {
            if (isGone && !app.isDead) tapped.delete(request.key);
          }, () => {});
        }
        break;
      }
      case "sign out": {
        await kill(app);
        await createShelf(storage, `user-${user}`).clear();
        expect(await storage.getAllKeys()).toEqual([]);
        user++;
        seen = { seq: 0 };
        tapped.clear();
        drafted.clear();
        messages = [];
        model = createModel((message) => messages.push(message));
        app = await launch();
        expect(app.records.all.get()).toEqual([]);
        break;
      }
    }
    // What needs nobody's answer happens at once.
    await new Promise((resolve) => setImmediate(resolve));
    if (scheduler.count() > 0) await scheduler.waitNext(1);
    looked();
  }

  // The network is well again, and what waits comes when its time has come.
  [startFate, readFate, lag] = ["heard", "heard", 0];
  for (let round = 0; round < 8; round++) {
    await scheduler.waitIdle();
    await pass(35);
  }
  app.sync.catchUp().catch(() => {});
  await scheduler.waitIdle();
  looked();
  return { app, model, tapped, ends };
}

const refusedAnswer = refusal("rate_limited", { retry_after_seconds: 1 });

test("in the end the records are what the backend has", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(act, { maxLength: 60, size: "max" }),
      async (scheduler, acts) => {
        const { app, model, tapped, ends } = await live(scheduler, acts);
        const { records } = app;
        for (const [key, { job }] of model.jobs) {
          const record = records.get(key);
          // Ended ones that this app never knew as running are the feed's.
          if (record === null && hasEnded(job)) continue;
          expect(record?.job).toEqual(job);
          const pictures = [...model.images.values()].filter(({ jobId, deletedAt }) =>
            jobId === job.id && deletedAt === null
          );
          expect(record?.images).toEqual(pictures);
        }
        for (const record of records.all.get()) {
          if (record.phase === "accepted") expect(model.jobs.get(record.key)?.job.id).toBe(record.job?.id);
        }
        for (const key of tapped) {
          const isKnown = records.get(key) !== null ||
            hasEnded(model.jobs.get(key)?.job ?? { status: "queued" });
          expect(isKnown, "a tap is forgotten").toBe(true);
        }
        expect(records.seq()).toBe(model.seq());
        for (const [key, count] of ends) expect(count, key).toBe(1);
      },
    ),
    { numRuns: Number(process.env["GENFLOW_PROPERTY_RUNS"] ?? 500), ...seedOf() },
  );
}, 120_000);

function seedOf(): { seed?: number; path?: string } {
  const { GENFLOW_PROPERTY_SEED: seed, GENFLOW_PROPERTY_PATH: path } = process.env;
  return { ...(seed && { seed: Number(seed) }), ...(path && { path }) };
}
