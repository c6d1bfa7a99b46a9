// Keeps the records equal to the backend: pushes as they come, reads where one was missed. A push is a hint; what is
// right is what the rows say.

import { type Account, type ChangeMessage, hasEnded } from "../contract/mod.ts";
import type { Backend, Rows } from "./backend.ts";
import { type Clock, pause } from "./clock.ts";
import { clientError, GenerationError, refusal } from "./error.ts";
import { type Cell, createCell, type Live } from "./live.ts";
import { isLive } from "./record.ts";
import type { Records } from "./records.ts";

/** More than this is read anew and not caught up with. */
const maxChanges = 1000;
/** While a record is live: what a lost push costs at most. */
const safetyPollMs = 30_000;
/** Where reading or sending failed and nobody says when the network is back; then twice as long. */
const firstRetryMs = 3000;
/** A push can come before other sessions can read what it says: it is read from the write-ahead log. */
const unreadDelaysMs = [100, 300, 1000, 3000];
/** Positions and estimates move without a push. */
const maxQueueReads = 5;

export interface Sync {
  readonly account: Live<Account | null>;
  /** The highest number that a push or a read has named: what is known of may not be readable yet. */
  newest(): number;
  /** Rows were read anew: what is shown beyond the records may lack changes. */
  readonly resets: Live<number>;
  /** Reads what changed. Resolves once all that had changed when it was called is in. */
  catchUp(): Promise<void>;
  onPush(message: ChangeMessage): void;
  stop(): void;
}

export function createSync({ backend, records, clock, resume }: {
  backend: Pick<Backend, "account" | "changesAfter" | "live" | "jobs" | "imagesOf" | "queue">;
  records: Records;
  clock: Clock;
  /** Sends what was not sent; called with each catching up. */
  resume: () => Promise<void>;
}): Sync {
  const account: Cell<Account | null> = createCell<Account | null>(null);
  const resets = createCell(0);
  const stopping = new AbortController();
  const { signal } = stopping;
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  /** The highest number that a push has named. */
  let pushed = 0;
  /** The account's number when it was read last; pushes may be ahead of it. */
  let lastRead: number | null = null;
  let failures = 0;
  let callOff = () => {};

  async function readAnew(seq: number, isBack: boolean): Promise<void> {
    const rows = await backend.live(signal);
    const live = new Set(rows.jobs.map(({ key }) => key));
    // Those that were thought to run have ended, taps may have become jobs, and an answer told of no pictures.
    const others = records.all.get().filter(({ key }) => !live.has(key)).map(({ key }) => key);
    const more = await readByKey(others);
    if (isBack) records.forgetJobs();
    records.merge({ jobs: [...rows.jobs, ...more.jobs], images: [...rows.images, ...more.images] }, seq);
    resets.set(resets.get() + 1);
  }

  async function readByKey(keys: string[]): Promise<Rows> {
    const jobs = await backend.jobs("idempotency_key", keys, signal);
    return { jobs, images: await backend.imagesOf(jobs.map(({ job }) => job.id), signal) };
  }

  async function readOnce(): Promise<void> {
    // Before it is asked: a push that overtakes the answer makes it no older than what was known.
    const before = records.seq();
    const now = await backend.account(signal);
    const known = records.seq();
    // Numbers that were read and went back are a restored backup's: nothing that was known holds.
    const isBack = now.seq < (lastRead ?? before ?? 0);
    // Older than what was pushed or read before it was asked: it was overtaken on its way.
    if (isBack || now.seq >= (account.get()?.seq ?? 0)) account.set(now);
    if (isBack) pushed = now.seq;
    lastRead = now.seq;
    if (known === null || isBack) await readAnew(now.seq, isBack);
    // Lower than what was pushed: not to be read yet.
    else if (now.seq > known) {
      const rows = await backend.changesAfter(known, maxChanges, signal);
      if (rows) records.merge(rows, now.seq);
      else await readAnew(now.seq, false);
    }
    // Ended before the last launch, and the app with it, before it was noted.
    const orphans = records.all.get().filter(({ phase, job }) => phase === "accepted" && job === null);
    if (orphans.length > 0) {
      records.merge(await readByKey(orphans.map(({ key }) => key)));
      for (const { key } of orphans) {
        const request = records.request(key);
        // Restored to before it: whether it is asked again is for the user to say.
        if (request && !records.get(key)?.job) {
          await records.note({ ...request, phase: "refused", error: { ...refusal("job_not_found").facts } });
        }
      }
    }
  }

  async function read(): Promise<void> {
    await readOnce();
    for (const delayMs of unreadDelaysMs) {
      if ((records.seq() ?? 0) >= pushed) break;
      await pause(clock, delayMs, signal);
      await readOnce();
    }
    await resume();
    const waiting = records.all.get().filter(({ job }) => job && !hasEnded(job)).slice(0, maxQueueReads);
    for (const { job } of waiting) {
      records.noteQueue(job!.id, await backend.queue(job!.id, signal), clock.now());
    }
  }

  function catchUp(): Promise<void> {
    // One that runs may have read too early for who calls now; all who call meanwhile share the next.
    if (running) return next ??= running.catch(() => {}).then(begin);
    return begin();
  }

  function begin(): Promise<void> {
    next = null;
    let isRead = false;
    const reading = read().then(() => void (isRead = true)).finally(() => {
      running = null;
      failures = isRead && !isAnyUnsent() ? 0 : failures + 1;
      schedule();
    });
    return running = reading;
  }

  const isAnyUnsent = () => records.all.get().some(({ phase }) => phase === "unsent");

  /** Failures are left to the next occasion: a return, a push, or the poll. */
  const catchUpLater = () =>
    void catchUp().catch((error: unknown) => {
      if (!(error instanceof GenerationError) && !signal.aborted) throw error;
    });

  function schedule(): void {
    callOff();
    if (signal.aborted || !records.all.get().some(isLive)) return;
    const delayMs = failures === 0
      ? safetyPollMs
      : Math.min(safetyPollMs, firstRetryMs * 2 ** (failures - 1));
    callOff = clock.after(delayMs, catchUpLater);
  }

  const leave = records.all.subscribe(() => {
    if (!running) schedule();
  });

  return {
    account,
    resets,
    newest: () => Math.max(pushed, lastRead ?? 0),
    catchUp,
    onPush({ seq, jobs, images, account: told }) {
      pushed = Math.max(pushed, seq);
      const known = account.get();
      if (known && told.seq > known.seq) account.set({ ...known, ...told });
      const keyed = jobs.flatMap((job) => {
        const key = records.keyOf(job.id);
        return key === null ? [] : [{ key, job }];
      });
      const isNext = seq === (records.seq() ?? Number.NaN) + 1 && keyed.length === jobs.length;
      // What is told of known jobs is shown at once, even out of turn; whose tap a new one is only its row says.
      records.merge({ jobs: keyed, images }, isNext ? seq : undefined);
      if ((records.seq() ?? -1) < seq) catchUpLater();
    },
    stop() {
      leave();
      callOff();
      stopping.abort(clientError("signed_out"));
    },
  };
}
