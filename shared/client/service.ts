// The service that an app makes once, on the supabase-js client it has.

import type { CancelAnswer, GenerationJob, StartRequest } from "../contract/mod.ts";
import { type Account, createBackend, type Supabase } from "./backend.ts";
import type { ChannelState } from "./channel.ts";
import { type Clock, systemClock } from "./clock.ts";
import { clientError, refusal } from "./error.ts";
import { defaultLifecycle, type Lifecycle } from "./lifecycle.ts";
import { createCell, type Live, updatesOf } from "./live.ts";
import { checkRequest, createModels, type GenerationModel } from "./models.ts";
import { type GenerationRecord, isLive } from "./record.ts";
import { retrying } from "./retry.ts";
import { createSession } from "./session.ts";
import { anyOf } from "./signal.ts";
import { clearOthers, createShelf } from "./shelf.ts";
import { openSpace, type Space } from "./space.ts";
import { type KeyValueStorage, memoryStorage } from "./storage.ts";
import { newUuid } from "./uuid.ts";

export interface ServiceOptions {
  /** The app's own client: its session is used and kept up, never replaced. */
  supabase: Supabase;
  /** Where records and drafts outlive the app. Without one they end with it. */
  storage?: KeyValueStorage;
  /** React Native: `nativeLifecycle(AppState)`. A browser's own is found by itself. */
  lifecycle?: Lifecycle;
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
   * The same words again within two seconds, or before an answer came, are the same tap, unless a `key` says otherwise.
   */
  startGeneration(request: StartRequest, options?: Signal & { key?: string }): Promise<GenerationJob>;
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
  /** Reads what has changed, without waiting for a push or the poll. */
  refresh(): Promise<void>;
  /** Ends timers, channel and listeners. What is stored stays. */
  close(): Promise<void>;
}

const nothing: readonly GenerationRecord[] = [];

export function createGenerationService(options: ServiceOptions): GenerationService {
  const { supabase, storage = memoryStorage(), clock = systemClock, random = Math.random } = options;
  const lifecycle = options.lifecycle ?? defaultLifecycle();
  const session = createSession(supabase, clock.now);
  const models = createModels(createBackend(supabase, session), clock);
  const userId = createCell<string | null>(null);
  const connection = createCell<ChannelState>("joining");
  const account = createCell<Account | null>(null);
  const pending = createCell(nothing);
  /** Of whoever is signed in; rejects with `signed_out`. */
  let begin: (space: Promise<Space>) => void;
  let space = new Promise<Space>((resolve) => begin = resolve);
  let turn: Promise<void> = Promise.resolve();
  let open: { space: Space; leave: () => void } | null = null;

  async function closeSpace(): Promise<void> {
    if (!open) return;
    const { space: closing, leave } = open;
    open = null;
    leave();
    userId.set(null);
    account.set(null);
    pending.set(nothing);
    await closing.close();
  }

  async function change(user: string | null, deliberately: boolean, last: string | null): Promise<void> {
    await closeSpace();
    if (user === null) {
      // Whose session merely ended comes back to what was there; somebody else in between clears it.
      if (deliberately && last !== null) await createShelf(storage, last).clear();
      return;
    }
    await clearOthers(storage, user);
    const made = await openSpace({ supabase, storage, lifecycle, clock, random, session }, user);
    const { records, sync, channel } = made;
    const show = () => pending.set(pendingOf(records.all.get(), pending.get()));
    const leaves = [
      mirror(sync.account, account),
      mirror(channel.state, connection),
      records.all.subscribe(show),
    ];
    show();
    open = { space: made, leave: () => leaves.forEach((leave) => leave()) };
    userId.set(user);
  }

  let lastUser: string | null = null;
  const leaveSession = session.onUser((user, deliberately) => {
    const last = lastUser;
    lastUser = user;
    const changing = turn = turn.then(() => change(user, deliberately, last));
    const next = changing.then(() => {
      if (!open) throw clientError("signed_out");
      return open.space;
    });
    // Whoever asks for it hears of it.
    next.catch(() => {});
    begin(next);
    space = next;
  });

  const start = async (request: StartRequest, { key, signal }: Signal & { key?: string } = {}) => {
    const { requests } = await space;
    checkRequest(request, await models(signal));
    const tap = { request, key: key ?? requests.underway(request) ?? newUuid(), draftId: null };
    return jobOf(await requests.send(tap, signal));
  };

  return {
    userId,
    connection,
    account,
    models: ({ signal } = {}) => models(signal),
    startGeneration: start,
    retry: (jobId, more) => start({ retryOf: jobId }, more),
    async resend(key, { signal } = {}) {
      const { requests } = await space;
      return jobOf(await requests.resend(key, signal));
    },
    discard: async (key, { signal } = {}) => await (await space).requests.discard(key, signal),
    async cancel(jobId, { signal } = {}) {
      const { backend, records, sync } = await space;
      const answer = await retrying({ clock, random }, signal, () => backend.cancel(jobId, signal));
      const key = records.keyOf(jobId);
      if (key !== null) records.merge({ jobs: [{ key, job: answer.job }], images: [] });
      else void sync.catchUp().catch(() => {});
      return answer;
    },
    async *observe(id, { signal } = {}) {
      const { backend, records, signal: closed } = await space;
      let key = records.keyOf(id) ?? (records.get(id) ? id : null);
      if (key === null) {
        const jobs = await retrying({ clock, random }, signal, () => backend.jobs("id", [id], signal));
        if (jobs.length === 0) throw refusal("job_not_found");
        records.merge({ jobs, images: await backend.imagesOf([id], signal) });
        key = jobs[0]!.key;
      }
      const one = { get: () => records.get(key), subscribe: records.all.subscribe };
      const isLast = (record: GenerationRecord | null) => record === null || !isLive(record);
      const either = anyOf([signal, closed]);
      try {
        for await (const record of updatesOf(one, { signal: either.signal, isLast })) {
          if (record === null) throw clientError("no_such_record");
          yield record;
        }
      } finally {
        either.leave();
      }
    },
    pending: () => pending,
    refresh: async () => await (await space).sync.catchUp(),
    async close() {
      leaveSession();
      await turn;
      await closeSpace();
    },
  };
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

function mirror<Value>(from: Live<Value>, to: { set(value: Value): void }): () => void {
  to.set(from.get());
  return from.subscribe(() => to.set(from.get()));
}
