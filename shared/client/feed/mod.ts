// A list of generations as a screen shows it: pages from the backend, what runs on top, and every change as it comes.

import type { SearchCursor, SearchItem } from "../../contract/mod.ts";
import type { Backend } from "../backend.ts";
import type { Clock } from "../clock.ts";
import { type ErrorFacts, GenerationError } from "../error.ts";
import type { Cell, Live } from "../live.ts";
import type { GenerationRecord } from "../record.ts";
import type { Records } from "../records.ts";
import type { Sync } from "../sync.ts";
import { createEntries, type Entries } from "./entries.ts";
import { before, compareAge, type Place, placeOf } from "./place.ts";
import { type FeedQuery, fitsTap, sameQuery, searchRequestOf } from "./query.ts";

export type { FeedQuery } from "./query.ts";

export interface FeedState {
  /**
   * In the order that was asked for, each once; taps that are no jobs yet stand at the newest end. The key of one that
   * was not asked for on this device is its job's id. The same array until something in it changes.
   */
  readonly items: readonly GenerationRecord[];
  /**
   * loading: the first page, or another query's, is on its way; the items are what was there before.
   * more: a further page is. failed: the last page could not be read, see `error`; it is tried again when the network
   * is back.
   */
  readonly phase: "loading" | "ready" | "more" | "failed";
  readonly error: ErrorFacts | null;
  readonly hasMore: boolean;
  readonly query: FeedQuery;
}

export interface Feed {
  readonly state: Live<FeedState>;
  /** Asks for something else; a change of words alone waits until they have stood for a quarter of a second. */
  change(query: FeedQuery): void;
  /** Reads the next page, if there is one. Never rejects: the state tells. */
  more(): Promise<void>;
  /** Reads anew what is shown. Never rejects: the state tells. */
  refresh(): Promise<void>;
  close(): void;
}

/** What of a user's space a feed needs. */
export interface FeedPorts {
  backend: Pick<Backend, "search" | "jobs">;
  records: Records;
  sync: Pick<Sync, "account" | "resets" | "newest">;
  clock: Clock;
}

/** What changes in a short while is asked about once. */
const gatherMs = 300;
const typingMs = 250;
/** An answer older than what was pushed before it is asked for again, then half as often. */
const maxStaleMs = 30_000;
/** Of more than these, all that is shown is read anew. */
const maxExamined = 10;
const maxPageItems = 100;

export function emptyFeed(query: FeedQuery): FeedState {
  return { items: [], phase: "loading", error: null, hasMore: false, query };
}

export function openFeed(ports: FeedPorts, first: FeedQuery, state: Cell<FeedState>): Feed {
  const { backend, records, sync, clock } = ports;
  let query = first;
  let reading = new AbortController();
  /** Where the next page begins; null: all is read; undefined: nothing is yet. */
  let next: SearchCursor | null | undefined;
  let entries: Entries = emptied();
  /** The last query's: shown until this one's first page is there. */
  let previous: Entries | null = null;
  let turn: Promise<void> = Promise.resolve();
  let undecided = new Set<string>();
  let callOffExamining: (() => void) | null = null;
  let callOffLoading = () => {};
  let stale = 0;
  /** Why a change could not be looked at; null: all that was heard of is in. */
  let owed: ErrorFacts | null = null;

  function emptied(): Entries {
    return createEntries(records, query, isWithin);
  }
  /** True where who has read up to `cursor` has read what stands at `place`. */
  function reaches(cursor: Place, place: Place): boolean {
    const age = compareAge(cursor, place);
    return query.sort === "oldest" ? age >= 0 : age <= 0;
  }
  function isWithin(place: Place): boolean {
    return next === null || next !== undefined && reaches(next, place);
  }

  let shown: readonly GenerationRecord[] = [];
  /** With the taps that are no jobs yet; the same array while nothing has changed. */
  function items(): readonly GenerationRecord[] {
    const isTap = ({ key, job }: GenerationRecord) => job === null && !records.get(key)?.job;
    const taps = records.all.get().filter((record) => isTap(record) && fitsTap(query, record));
    const isOldest = query.sort === "oldest";
    const atEnd = isOldest && next === null ? [...taps].reverse() : [];
    const all = [...isOldest ? [] : taps, ...(previous ?? entries).list(), ...atEnd];
    const isSame = all.length === shown.length && all.every((record, place) => record === shown[place]);
    return isSame ? shown : shown = all;
  }
  function show(more: Partial<FeedState> = {}): void {
    const last = state.get();
    const hasMore = next !== null && next !== undefined;
    const now: FeedState = { ...last, items: items(), hasMore, query, ...more };
    const names = ["items", "phase", "error", "hasMore", "query"] as const;
    if (names.some((name) => now[name] !== last[name])) state.set(now);
  }

  /** One request after the other: each is answered with all that the one before knew. */
  function inTurn(
    phase: FeedState["phase"] | null,
    ask: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const { signal } = reading;
    const run = async () => {
      if (signal.aborted) return;
      if (phase) show({ phase, error: null });
      try {
        await ask(signal);
        if (signal.aborted) return;
        if (ask === readAnew) owed = null;
        show({ phase: owed ? "failed" : "ready", error: owed });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof GenerationError)) throw error;
        // What was to be looked at is not: only all of it anew makes that good.
        if (ask !== readMore) owed = error.facts;
        show({ phase: "failed", error: error.facts });
      }
    };
    return turn = turn.then(run, run);
  }

  async function readFrom(
    after: SearchCursor | undefined,
    isEnough: (items: readonly SearchItem[], next: SearchCursor) => boolean,
    signal: AbortSignal,
    pageSize = query.pageSize,
  ): Promise<{ items: SearchItem[]; next: SearchCursor | null; seq: number }> {
    const found: SearchItem[] = [];
    let seq = Number.POSITIVE_INFINITY;
    for (let cursor = after;;) {
      const request = { ...searchRequestOf({ ...query, ...(pageSize && { pageSize }) }) };
      const answer = await backend.search({ ...request, ...(cursor && { after: cursor }) }, signal);
      if (signal.aborted) return { items: [], next: null, seq: 0 };
      found.push(...answer.items);
      seq = Math.min(seq, answer.seq);
      if (answer.next === null || isEnough(found, answer.next)) {
        return { items: found, next: answer.next, seq };
      }
      cursor = answer.next;
    }
  }

  /** Everything down to where it was read last, or the first page. */
  async function readAnew(signal: AbortSignal): Promise<void> {
    const last = next;
    const isEnough = (found: readonly SearchItem[], cursor: SearchCursor) =>
      last === undefined ? found.length > 0 : last !== null && reaches(cursor, last);
    const answer = await readFrom(undefined, isEnough, signal, last === undefined ? undefined : maxPageItems);
    if (signal.aborted) return;
    next = answer.next;
    previous = null;
    examineLater(entries.takeFound(answer.items, answer.seq, true));
    noteAge(answer.seq);
  }

  async function readMore(signal: AbortSignal): Promise<void> {
    if (!next) return;
    const answer = await readFrom(next, (found) => found.length > 0, signal);
    if (signal.aborted) return;
    next = answer.next;
    examineLater(entries.takeFound(answer.items, answer.seq, false));
  }

  /** What was pushed before an answer was asked for may not be in it yet. */
  function noteAge(seq: number): void {
    if (seq >= sync.newest()) return void (stale = 0);
    callOffLoading();
    const delayMs = Math.min(maxStaleMs, gatherMs * 2 ** stale++);
    callOffLoading = clock.after(delayMs, () => void inTurn(null, readAnew));
  }

  /** Whether they are in the feed is asked of the backend, a moment later and together. */
  function examineLater(jobIds: readonly string[]): void {
    for (const jobId of jobIds) undecided.add(jobId);
    if (undecided.size === 0 || next === undefined) return;
    callOffExamining ??= clock.after(gatherMs, () => {
      callOffExamining = null;
      const asked = [...undecided];
      undecided = new Set();
      void inTurn(null, asked.length > maxExamined ? readAnew : (signal) => examine(asked, signal));
    });
  }

  async function examine(jobIds: readonly string[], signal: AbortSignal): Promise<void> {
    const unknown = jobIds.filter((jobId) => entries.jobOf(jobId) === null);
    const rows = await backend.jobs("id", unknown, signal);
    const jobs = [...rows.map(({ job }) => job), ...jobIds.flatMap((jobId) => entries.jobOf(jobId) ?? [])];
    for (const job of jobs) {
      if (!isWithin(job) || entries.has(job.id)) continue;
      const after = before(placeOf(job), query.sort ?? "newest");
      const answer = await readFrom(after, (_, cursor) => reaches(cursor, placeOf(job)), signal, 1);
      if (signal.aborted) return;
      const found = answer.items.filter((item) => item.job.id === job.id);
      // What is newer than this answer has its own examination.
      entries.takeFound(found, answer.seq, false);
      noteAge(answer.seq);
    }
  }

  function begin(delayMs: number): void {
    reading.abort();
    reading = new AbortController();
    turn = Promise.resolve();
    if (next !== undefined) previous = entries;
    next = undefined;
    owed = null;
    undecided = new Set();
    callOffLoading();
    callOffExamining?.();
    callOffExamining = null;
    entries = emptied();
    show({ phase: "loading", error: null });
    if (delayMs === 0) void inTurn("loading", readAnew);
    else callOffLoading = clock.after(delayMs, () => void inTurn("loading", readAnew));
  }

  const leaves = [
    records.all.subscribe(() => show()),
    records.onChange((change) => {
      previous?.take(change);
      examineLater(entries.take(change));
      show();
    }),
    // Rows were read anew, and changes passed over.
    sync.resets.subscribe(() => void inTurn(null, readAnew)),
    // The backend can be reached again.
    sync.account.subscribe(() => {
      if (state.get().phase === "failed") void inTurn("loading", readAnew);
    }),
  ];
  begin(0);

  return {
    state,
    change(wanted) {
      if (sameQuery(wanted, query)) return;
      const isTyping = sameQuery({ ...wanted, words: "" }, { ...query, words: "" });
      query = wanted;
      begin(isTyping ? typingMs : 0);
    },
    // A screen asks again with every bit of scrolling.
    more: () => next && state.get().phase !== "more" ? inTurn("more", readMore) : turn,
    refresh: () => inTurn(next === undefined ? "loading" : null, readAnew),
    close() {
      reading.abort();
      callOffLoading();
      callOffExamining?.();
      leaves.forEach((leave) => leave());
    },
  };
}
