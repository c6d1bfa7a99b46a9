// The service that an app makes once, on the supabase-js client it has.

import type {
  Account,
  CancelAnswer,
  GenerationImage,
  GenerationJob,
  GenerationModel,
  LogEntry,
  StartRequest,
} from "../contract/mod.ts";
import { createBackend, type Supabase } from "./backend.ts";
import type { ChannelState } from "./channel.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Draft, Drafts } from "./drafts.ts";
import { clientError, refusal } from "./error.ts";
import { followFeed } from "./feed/follow.ts";
import type { Feed, FeedQuery } from "./feed/mod.ts";
import type { Images } from "./images.ts";
import { defaultLifecycle, type Lifecycle } from "./lifecycle.ts";
import { createCell, type Live, updatesOf } from "./live.ts";
import { readAsked, readLogs, readPrompt } from "./logs.ts";
import { checkRequest, createModels } from "./models.ts";
import type { GenerationNotification, Notifications } from "./notifications.ts";
import { type GenerationRecord, isLive } from "./record.ts";
import { retrying } from "./retry.ts";
import { createSession } from "./session.ts";
import { anyOf } from "./signal.ts";
import type { Space } from "./space.ts";
import { type KeyValueStorage, memoryStorage } from "./storage.ts";
import { createTenancy, followed } from "./tenancy.ts";
import type { InputData, UploadOptions } from "./uploads/mod.ts";
import { newUuid } from "./uuid.ts";

export interface ServiceOptions {
  /** The app's own client: its session is used and kept up, never replaced. */
  supabase: Supabase;
  /** Where records, drafts and notifications outlive the app. Without one they end with it. */
  storage?: KeyValueStorage;
  /** React Native: `nativeLifecycle(AppState)`. A browser's own is found by itself. */
  lifecycle?: Lifecycle;
  /** Below this many credits a notification says so; 5 unless told otherwise. */
  creditsLowBelow?: number;
  clock?: Clock;
  random?: () => number;
}

interface Signal {
  /** Ends the waiting, with the signal's reason; what the backend has taken it keeps. */
  signal?: AbortSignal;
}

export interface GenerationService {
  /** Null while nobody is signed in. */
  readonly userId: Live<string | null>;
  /** `lost`: what changes is read every 30 s while something runs, and at every return to the app. */
  readonly connection: Live<ChannelState>;
  /** Null until it was read. */
  readonly account: Live<Account | null>;
  models(options?: Signal): Promise<GenerationModel[]>;

  /**
   * Asks for pictures. The record is there at once; resolves once the backend has the job. Rejects with a
   * GenerationError: one of the catalogue's refusals, or `offline`: then it is sent again by itself, with the same key.
   * The same words again within two seconds, or before an answer came, are the same tap, unless a `key` says otherwise;
   * a draft is the same tap until it is edited, its job has ended, or `again` asks for another picture.
   */
  startGeneration(
    what: StartRequest | Draft,
    options?: Signal & { key?: string; again?: boolean },
  ): Promise<GenerationJob>;
  /** Asks again what an ended job asked. */
  retry(jobId: string, options?: Signal): Promise<GenerationJob>;
  /** Sends again what was refused or not heard, under its key. */
  resend(key: string, options?: Signal): Promise<GenerationJob>;
  /** Forgets what was refused or not sent. False: it has become a job after all; see `cancel`. */
  discard(key: string, options?: Signal): Promise<boolean>;
  cancel(jobId: string, options?: Signal): Promise<CancelAnswer>;

  /** The record of a job's id or a tap's key now and after each change; ends once it has ended or was refused. */
  observe(id: string, options?: Signal): AsyncIterable<GenerationRecord>;
  /** Whatever is still to come or to be decided about, the newest first. */
  pending(): Live<readonly GenerationRecord[]>;
  /** The profile: pages, filters, order and search; close it when its screen goes. */
  feed(query?: FeedQuery): Feed;
  /** Saving and removing throw `signed_out` while `userId` is null. */
  readonly drafts: Drafts & {
    /** A draft of what a job asked: to change it, and tap again. */
    fromJob(jobId: string, options?: Signal): Promise<Draft>;
  };
  /** Of what ended while nobody observed it, or while the app was away. */
  readonly notifications: Notifications;
  /** What happened to a job, the oldest first. */
  logs(jobId: string, options?: Signal): Promise<LogEntry[]>;
  /** The words a job was asked with; null where they are kept no more. */
  prompt(jobId: string, options?: Signal): Promise<string | null>;

  /** Addresses of pictures. */
  readonly images: Images;
  /** Stores a reference image for `inputPaths`; what no job has asked for within a day is deleted. */
  uploadInput(data: InputData, options?: UploadOptions): Promise<string>;
  setFavorite(imageId: string, favorite: boolean, options?: Signal): Promise<GenerationImage>;
  /** Up to 100: gone from the profile at once, their files soon after. Answers those that it has deleted. */
  deleteImages(imageIds: string[], options?: Signal): Promise<string[]>;

  /** Reads what has changed, without waiting for a push or the poll. */
  refresh(): Promise<void>;
  /** Ends timers, channel and listeners. What is stored stays. */
  close(): Promise<void>;
}

const noRecords: readonly GenerationRecord[] = [];
const noDrafts: readonly Draft[] = [];
const noNotifications: readonly GenerationNotification[] = [];

export function createGenerationService(options: ServiceOptions): GenerationService {
  const { supabase, storage = memoryStorage(), clock = systemClock, random = Math.random } = options;
  const lifecycle = options.lifecycle ?? defaultLifecycle();
  const session = createSession(supabase, clock.now);
  const models = createModels(createBackend(supabase, session), clock);
  const retry = { clock, random };
  const { current, space, close } = createTenancy({
    supabase,
    storage,
    lifecycle,
    clock,
    random,
    session,
    creditsLowBelow: options.creditsLowBelow ?? 5,
    retry: (jobId) => jobId === null ? Promise.reject(refusal("job_not_found")) : start({ retryOf: jobId }),
  });
  const all = followed(current, ({ records }) => records.all, noRecords);
  const pending = createCell(noRecords);
  all.subscribe(() => pending.set(pendingOf(all.get(), pending.get())));
  const userId = createCell<string | null>(null);
  current.subscribe(() => userId.set(current.get()?.userId ?? null));

  /** Where an answer cannot wait for the session's first word. */
  function now(): Space {
    const open = current.get();
    if (!open) throw clientError("signed_out");
    return open;
  }

  async function start(
    what: StartRequest | Draft,
    { key, again = false, signal }: Signal & { key?: string; again?: boolean } = {},
  ): Promise<GenerationJob> {
    const { requests, drafts } = await space();
    const draft = "words" in what ? what : null;
    const request = "words" in what ? drafts.get(what.id)?.words ?? what.words : what;
    checkRequest(request, await models(signal));
    const own = key ?? (draft ? await drafts.keyOf(draft, again) : null);
    const tap = own ?? (again ? null : requests.underway(request)) ?? newUuid();
    return jobOf(await requests.send({ request, key: tap, draftId: draft?.id ?? null }, signal));
  }

  async function change<Answer>(ask: (space: Space) => Promise<Answer>): Promise<Answer> {
    const open = await space();
    const answer = await ask(open);
    // Its push says the same, unless it is lost.
    void open.sync.catchUp().catch(() => {});
    return answer;
  }

  return {
    userId,
    connection: followed(current, ({ channel }) => channel.state, "joining" as ChannelState),
    account: followed(current, ({ sync }) => sync.account, null as Account | null),
    models: ({ signal } = {}) => models(signal),
    startGeneration: start,
    retry: (jobId, more) => start({ retryOf: jobId }, more),
    async resend(key, { signal } = {}) {
      const { requests } = await space();
      return jobOf(await requests.resend(key, signal));
    },
    discard: async (key, { signal } = {}) => await (await space()).requests.discard(key, signal),
    async cancel(jobId, { signal } = {}) {
      const { backend, records, sync } = await space();
      const answer = await retrying(retry, signal, () => backend.cancel(jobId, signal));
      const key = records.keyOf(jobId);
      if (key !== null) records.merge({ jobs: [{ key, job: answer.job }], images: [] });
      else void sync.catchUp().catch(() => {});
      return answer;
    },
    observe: (id, { signal } = {}) => observe(space(), id, retry, signal),
    pending: () => pending,
    feed: (query = {}) => followFeed(current, query),
    drafts: {
      all: followed(current, ({ drafts }) => drafts.all, noDrafts),
      get: (id) => current.get()?.drafts.get(id) ?? null,
      save: (words, id) => now().drafts.save(words, id),
      remove: (id) => now().drafts.remove(id),
      async fromJob(jobId, { signal } = {}) {
        const { backend, drafts } = await space();
        const words = await retrying(retry, signal, () => readAsked(backend, jobId, signal));
        if (words === null) throw refusal("job_not_found");
        return drafts.save(words);
      },
    },
    notifications: {
      all: followed(current, ({ notifications }) => notifications.all, noNotifications),
      unseen: followed(current, ({ notifications }) => notifications.unseen, 0),
      see: (id) => now().notifications.see(id),
      dismiss: (id) => now().notifications.dismiss(id),
    },
    async logs(jobId, { signal } = {}) {
      const { backend } = await space();
      return await retrying(retry, signal, () => readLogs(backend, jobId, signal));
    },
    async prompt(jobId, { signal } = {}) {
      const { backend } = await space();
      return await retrying(retry, signal, () => readPrompt(backend, jobId, signal));
    },
    images: {
      url: async (path, options) => await (await space()).images.url(path, options),
    },
    async uploadInput(data, options = {}) {
      const { userId, signal: closed } = await space();
      const either = anyOf([options.signal, closed]);
      try {
        const { uploadInput } = await import("./uploads/mod.ts");
        return await uploadInput({ supabase, userId, session, clock, random, lifecycle }, data, {
          ...options,
          signal: either.signal,
        });
      } finally {
        either.leave();
      }
    },
    setFavorite: (imageId, favorite, { signal } = {}) =>
      change(({ backend, records }) =>
        retrying(retry, signal, () => backend.setFavorite(imageId, favorite, signal)).then((image) => {
          records.merge({ jobs: [], images: [image] });
          return image;
        })
      ),
    deleteImages: (imageIds, { signal } = {}) =>
      change(async ({ backend }) =>
        (await retrying(retry, signal, () => backend.deleteImages(imageIds, signal))).deleted
      ),
    refresh: async () => await (await space()).sync.catchUp(),
    close,
  };
}

async function* observe(
  space: Promise<Space>,
  id: string,
  retry: Parameters<typeof retrying>[0],
  signal: AbortSignal | undefined,
): AsyncGenerator<GenerationRecord, void, void> {
  const { backend, records, observing, signal: closed } = await space;
  let key = records.keyOf(id) ?? (records.get(id) ? id : null);
  if (key === null) {
    const jobs = await retrying(retry, signal, () => backend.jobs("id", [id], signal));
    if (jobs.length === 0) throw refusal("job_not_found");
    records.merge({ jobs, images: await backend.imagesOf([id], signal) });
    key = jobs[0]!.key;
  }
  const own = key;
  const one = { get: () => records.get(own), subscribe: records.all.subscribe };
  const isLast = (record: GenerationRecord | null) => record === null || !isLive(record);
  const either = anyOf([signal, closed]);
  const leave = observing(own);
  try {
    for await (const record of updatesOf(one, { signal: either.signal, isLast })) {
      if (record === null) throw clientError("no_such_record");
      yield record;
    }
  } finally {
    leave();
    either.leave();
  }
}

function jobOf({ job }: GenerationRecord): GenerationJob {
  if (job === null) throw new TypeError("a tap that was answered has a job");
  return job;
}

/** The same array as long as nothing in it has changed. */
function pendingOf(
  all: readonly GenerationRecord[],
  last: readonly GenerationRecord[],
): readonly GenerationRecord[] {
  const records = all.filter((record) => isLive(record) || record.phase === "refused");
  return records.length === last.length && records.every((record, place) => record === last[place])
    ? last
    : records;
}
