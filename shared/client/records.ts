// One user's records: taps and jobs, joined by their key, each as new as anybody has told. Pushes, answers and reads may
// come in any order and twice: of two states of a row the one with the higher `seq` is the newer.

import * as z from "zod";
import { GenerationImage, GenerationJob, hasEnded, type Queue } from "../contract/mod.ts";
import type { KeyedJob, Rows } from "./backend.ts";
import { createCell, type Live } from "./live.ts";
import { type GenerationRecord, isLive, type KnownJob, recordOf, StoredRequest } from "./record.ts";
import type { Shelf } from "./shelf.ts";

const requestName = (key: string) => `request/${key}`;
const stateName = "state";
/** Ended jobs that are kept in memory for who looks at them; the feed has its own. */
const maxEnded = 300;

const State = z.object({
  seq: z.number().int().nonnegative(),
  jobs: z.array(z.object({ key: z.uuid(), job: GenerationJob, images: z.array(GenerationImage) })),
});

export interface Change {
  jobs: readonly GenerationJob[];
  images: readonly GenerationImage[];
}

export interface Records {
  /** The newest first. */
  readonly all: Live<readonly GenerationRecord[]>;
  get(key: string): GenerationRecord | null;
  keyOf(jobId: string): string | null;
  /** All changes up to this one are in; null before the first read. */
  seq(): number | null;
  /** Notes a tap, or how it went: seen at once, resolves once it is kept. */
  note(request: StoredRequest): Promise<void>;
  request(key: string): StoredRequest | null;
  requests(): StoredRequest[];
  /** Forgets a tap; a job that it has become stays. */
  forget(key: string): Promise<void>;
  /** Takes rows in, of any age; `seq`: with them everything up to it is known. */
  merge(rows: Rows, seq?: number): void;
  /** Forgets every job: what is merged next is all that is known, whatever its numbers. */
  forgetJobs(): void;
  noteQueue(jobId: string, queue: Queue, atMs: number): void;
  /** What changed in rows, whoever told. */
  onChange(listener: (change: Change) => void): () => void;
  /** A record that was live has ended. */
  onEnd(listener: (record: GenerationRecord) => void): () => void;
  close(): void;
}

/** Reads what was kept, and takes up what other tabs keep. */
export async function openRecords(shelf: Shelf): Promise<Records> {
  const requests = new Map<string, StoredRequest>();
  const jobs = new Map<string, KnownJob>();
  const keys = new Map<string, string>();
  const built = new Map<
    string,
    { request: StoredRequest | null; known: KnownJob | null; record: GenerationRecord }
  >();
  const all = createCell<readonly GenerationRecord[]>([]);
  const changed = new Set<(change: Change) => void>();
  const ended = new Set<(record: GenerationRecord) => void>();
  let seq: number | null = null;

  /** The same object as long as nothing in it has changed. */
  function build(key: string): GenerationRecord | null {
    const [request, known] = [requests.get(key) ?? null, jobs.get(key) ?? null];
    if (request === null && known === null) return null;
    const last = built.get(key);
    if (last && last.request === request && last.known === known) return last.record;
    const record = recordOf(request, known);
    built.set(key, { request, known, record });
    return record;
  }

  function publish(): void {
    prune();
    const records = [...new Set([...requests.keys(), ...jobs.keys()])].map(build).filter((each) =>
      each !== null
    );
    for (const key of built.keys()) if (!requests.has(key) && !jobs.has(key)) built.delete(key);
    all.set(records.sort((a, b) => a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0));
  }

  function prune(): void {
    const over = [...jobs.values()].filter(({ job }) => hasEnded(job))
      .sort((a, b) => b.job.seq - a.job.seq).slice(maxEnded);
    for (const { key, job } of over) {
      jobs.delete(key);
      keys.delete(job.id);
      requests.delete(key);
    }
  }

  function mergeJob({ key, job }: KeyedJob): boolean {
    keys.set(job.id, key);
    const known = jobs.get(key);
    if (known && known.job.seq >= job.seq) return false;
    jobs.set(key, known ? { ...known, job } : { key, job, images: new Map(), queue: null });
    return true;
  }

  function mergeImage(image: GenerationImage): boolean {
    const known = jobs.get(keys.get(image.jobId) ?? "");
    if (!known) return true;
    const last = known.images.get(image.id);
    if (last && last.seq >= image.seq) return false;
    jobs.set(known.key, { ...known, images: new Map(known.images).set(image.id, image) });
    return true;
  }

  async function keepState(): Promise<void> {
    if (seq === null) return;
    const live = [...jobs.values()].filter(({ job }) => !hasEnded(job));
    await shelf.set(stateName, {
      seq,
      jobs: live.map(({ key, job, images }) => ({ key, job, images: [...images.values()] })),
    });
  }

  const kept = await shelf.get(stateName, State);
  for (const request of await shelf.load(requestName(""), StoredRequest)) requests.set(request.key, request);
  for (const { key, job, images } of kept?.jobs ?? []) {
    mergeJob({ key, job });
    images.forEach(mergeImage);
  }
  seq = kept?.seq ?? null;
  publish();

  const leaveShelf = shelf.onChange(async (name) => {
    if (!name.startsWith(requestName(""))) return;
    const key = name.slice(requestName("").length);
    const request = await shelf.get(name, StoredRequest);
    if (request) requests.set(key, request);
    else if (!jobs.has(key)) requests.delete(key);
    publish();
  });

  return {
    all,
    get: build,
    keyOf: (jobId) => keys.get(jobId) ?? null,
    seq: () => seq,
    async note(request) {
      requests.set(request.key, request);
      publish();
      await shelf.set(requestName(request.key), request);
    },
    request: (key) => requests.get(key) ?? null,
    requests: () => [...requests.values()],
    async forget(key) {
      requests.delete(key);
      publish();
      await shelf.remove(requestName(key));
    },
    merge(rows, upTo) {
      const wereLive = new Map(
        rows.jobs.map(({ key }) => [key, build(key)] as const).filter(([, record]) =>
          record && isLive(record)
        ),
      );
      const change = {
        jobs: rows.jobs.filter(mergeJob).map(({ job }) => job),
        images: rows.images.filter(mergeImage),
      };
      const isNew = upTo !== undefined && upTo !== seq;
      if (isNew) seq = upTo;
      const over = change.jobs.filter(hasEnded).map(({ id }) => keys.get(id)!);
      // The words of a tap are needed no more on the next launch; here they stay with the record.
      for (const key of over) if (requests.has(key)) void shelf.remove(requestName(key));
      if (isNew || change.jobs.length + change.images.length > 0) {
        // Before the list: who shows a tap as its job from now on must not find neither in between.
        for (const listener of [...changed]) listener(change);
        publish();
        void keepState();
      }
      for (const key of over) {
        const record = build(key);
        if (record && wereLive.has(key)) { for (const listener of [...ended]) listener(record); }
      }
    },
    forgetJobs() {
      // With the words that only showed what they had become.
      for (const { key, job } of jobs.values()) if (hasEnded(job)) requests.delete(key);
      jobs.clear();
      keys.clear();
    },
    noteQueue(jobId, queue, atMs) {
      const known = jobs.get(keys.get(jobId) ?? "");
      if (!known) return;
      jobs.set(known.key, { ...known, queue: { ...queue, atMs } });
      publish();
    },
    onChange(listener) {
      changed.add(listener);
      return () => void changed.delete(listener);
    },
    onEnd(listener) {
      ended.add(listener);
      return () => void ended.delete(listener);
    },
    close: leaveShelf,
  };
}
