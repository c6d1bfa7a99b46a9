// The generations of a feed as rows: each as new as anybody has told, in the feed's order.

import { type GenerationImage, type GenerationJob, hasEnded, type SearchItem } from "../../contract/mod.ts";
import type { Change, Records } from "../records.ts";
import { type GenerationRecord, recordOf } from "../record.ts";
import { compareAge, type Place } from "./place.ts";
import { type FeedQuery, fits } from "./query.ts";

interface Entry {
  readonly job: GenerationJob;
  readonly images: ReadonlyMap<string, GenerationImage>;
}

export interface Entries {
  /** In the feed's order; the same array until something in it changes. */
  list(): readonly GenerationRecord[];
  has(jobId: string): boolean;
  /**
   * Takes rows in that were pushed or read. Answers the jobs of which only the backend knows whether they are in the
   * feed.
   */
  take(change: Change): string[];
  /** Takes a search's answer in, whose rows are as of `seq`; `isAll`: what is not in it is not in the feed. */
  takeFound(items: readonly SearchItem[], seq: number, isAll: boolean): string[];
  /** What was read or pushed of a job, in the feed or not. */
  jobOf(jobId: string): GenerationJob | null;
  clear(): void;
}

/** `isWithin`: whether what stands there belongs to what has been read; what lies beyond comes with its page. */
export function createEntries(
  records: Records,
  query: FeedQuery,
  isWithin: (place: Place) => boolean,
): Entries {
  const entries = new Map<string, Entry>();
  /** What was told since the last answer, or is newer than it: an answer may be older than a push. */
  const told = { jobs: new Map<string, GenerationJob>(), images: new Map<string, GenerationImage>() };
  const built = new WeakMap<Entry, GenerationRecord>();
  /** A list's key must not change when the records forget the tap's. */
  const keys = new Map<string, string>();
  const direction = query.sort === "oldest" ? 1 : -1;
  let sorted: readonly Entry[] | null = [];
  let listed: readonly GenerationRecord[] = [];

  function put(jobId: string, entry: Entry | null): void {
    if (entry ? entries.get(jobId) === entry : !entries.has(jobId)) return;
    if (entry) entries.set(jobId, entry);
    else entries.delete(jobId);
    sorted = null;
  }

  function newest(job: GenerationJob, images: Iterable<GenerationImage>): Entry {
    const known = told.jobs.get(job.id);
    const all = new Map<string, GenerationImage>();
    for (const image of [...images, ...told.images.values()]) {
      if (image.jobId === job.id && image.seq >= (all.get(image.id)?.seq ?? 0)) all.set(image.id, image);
    }
    return { job: known && known.seq > job.seq ? known : job, images: all };
  }

  function promptOf(jobId: string): string | null {
    return records.request(records.keyOf(jobId) ?? "")?.request.prompt ?? null;
  }

  /** Of a job that is not in the feed: null where only the backend knows. */
  function judge(jobId: string): Entry | false | null {
    const record = records.get(records.keyOf(jobId) ?? "");
    const job = told.jobs.get(jobId) ?? record?.job ?? null;
    if (job && !isWithin(job)) return false;
    // Of one that ended before it was heard of, not every picture need be known.
    if (!job || hasEnded(job) || !record?.job) return null;
    const entry = newest(job, record.images);
    const verdict = fits(query, entry.job, [...entry.images.values()], promptOf(jobId));
    return verdict ? entry : verdict;
  }

  function takeJob(jobId: string): boolean {
    const entry = entries.get(jobId);
    if (!entry) {
      const verdict = judge(jobId);
      if (verdict) put(jobId, verdict);
      return verdict !== null;
    }
    const next = newest(entry.job, entry.images.values());
    // Its words were right when it came, and do not change.
    const verdict = fits({ ...query, words: "" }, next.job, [...next.images.values()], null);
    put(jobId, verdict ? next : null);
    return true;
  }

  function take({ jobs, images }: Change): string[] {
    for (const job of jobs) if (job.seq >= (told.jobs.get(job.id)?.seq ?? 0)) told.jobs.set(job.id, job);
    for (const image of images) {
      if (image.seq >= (told.images.get(image.id)?.seq ?? 0)) told.images.set(image.id, image);
    }
    const touched = new Set([...jobs.map(({ id }) => id), ...images.map(({ jobId }) => jobId)]);
    return [...touched].filter((jobId) => !takeJob(jobId));
  }

  function toRecord(entry: Entry): GenerationRecord {
    const { job, images } = entry;
    const key = keys.get(job.id) ?? records.keyOf(job.id) ?? job.id;
    keys.set(job.id, key);
    // With its place in the queue, and what was asked.
    const live = hasEnded(job) ? null : records.get(key);
    if (live?.job) return live;
    const record = built.get(entry) ?? recordOf(records.request(key), { key, job, images, queue: null });
    built.set(entry, record);
    return record;
  }

  return {
    list() {
      sorted ??= [...entries.values()].sort((a, b) => direction * compareAge(a.job, b.job));
      const next = sorted.map(toRecord);
      const isSame = next.length === listed.length && next.every((record, place) => record === listed[place]);
      return isSame ? listed : listed = next;
    },
    has: (jobId) => entries.has(jobId),
    take,
    takeFound(items, seq, isAll) {
      const found = new Set(items.map(({ job }) => job.id));
      if (isAll) { for (const jobId of [...entries.keys()]) if (!found.has(jobId)) put(jobId, null); }
      for (const [id, job] of told.jobs) if (job.seq <= seq) told.jobs.delete(id);
      for (const [id, image] of told.images) if (image.seq <= seq) told.images.delete(id);
      for (const { job, images } of items) {
        const entry = entries.get(job.id);
        const next = newest(job, images);
        if (entry && entry.job.seq > seq) {
          put(job.id, newest(entry.job, [...entry.images.values(), ...images]));
        } else put(job.id, next);
        takeJob(job.id);
      }
      // What is newer than the answer changes it again.
      return take({ jobs: [...told.jobs.values()], images: [...told.images.values()] });
    },
    jobOf: (jobId) => told.jobs.get(jobId) ?? entries.get(jobId)?.job ?? null,
    clear() {
      entries.clear();
      told.jobs.clear();
      told.images.clear();
      sorted = null;
    },
  };
}
