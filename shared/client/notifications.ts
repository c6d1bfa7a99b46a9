// What ended while nobody looked, in the user's words: kept until it is seen, and after that until it is dismissed.

import * as z from "zod";
import {
  type Account,
  type GenerationJob,
  type JobErrorCode,
  jobErrors,
  type LogEntry,
} from "../contract/mod.ts";
import type { Clock } from "./clock.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { createCell, type Live } from "./live.ts";
import type { GenerationRecord } from "./record.ts";
import type { Records } from "./records.ts";
import type { Shelf } from "./shelf.ts";

const Kept = z.object({
  id: z.string(),
  kind: z.enum(["completed", "failed", "canceled", "credits_low"]),
  title: z.string(),
  /** What happened or what to do. */
  detail: z.string(),
  jobId: z.uuid().nullable(),
  /** To name to support. */
  traceId: z.string().nullable(),
  /** ISO 8601. */
  at: z.string(),
  seen: z.boolean(),
  /** The failure is of a kind that asking again may well mend. */
  retryable: z.boolean(),
});
type Kept = z.infer<typeof Kept>;

export interface GenerationNotification extends Readonly<Kept> {
  /** What happened to the job, the oldest first; empty where it is of no job. */
  viewLogs(): Promise<LogEntry[]>;
  /** Asks again what the job asked. Rejects where it is of no job. */
  retry(): Promise<GenerationJob>;
}

export interface Notifications {
  /** The newest first, 100 at most. */
  readonly all: Live<readonly GenerationNotification[]>;
  readonly unseen: Live<number>;
  /** Marks one as seen, or all of them. */
  see(id?: string): void;
  dismiss(id: string): void;
}

export interface NotificationPorts {
  shelf: Shelf;
  records: Records;
  account: Live<Account | null>;
  clock: Clock;
  lifecycle: Lifecycle;
  /** Below this many credits the user is told, once until there are more again. */
  creditsLowBelow: number;
  /** Somebody follows the record with this key. */
  isObserved(key: string): boolean;
  viewLogs(jobId: string | null): Promise<LogEntry[]>;
  retry(jobId: string | null): Promise<GenerationJob>;
}

const nameOf = (id: string) => `notification/${id}`;
const lowName = "credits-low";
const maxKept = 100;

export async function openNotifications(
  ports: NotificationPorts,
): Promise<Notifications & { close(): void }> {
  const { shelf, records, account, clock, lifecycle } = ports;
  const notices = new Map<string, GenerationNotification>();
  const all = createCell<readonly GenerationNotification[]>([]);
  const unseen = createCell(0);
  let isAway = false;
  let wasLow = await shelf.get(lowName, z.boolean()) ?? false;

  function publish(): void {
    const sorted = [...notices.values()].sort((a, b) => a.at < b.at ? 1 : a.at > b.at ? -1 : 0);
    for (const { id } of sorted.splice(maxKept)) remove(id);
    all.set(sorted);
    unseen.set(sorted.filter(({ seen }) => !seen).length);
  }
  function take(kept: Kept): void {
    notices.set(kept.id, {
      ...kept,
      viewLogs: () => ports.viewLogs(kept.jobId),
      retry: () => ports.retry(kept.jobId),
    });
  }
  function keep({ viewLogs: _, retry: __, ...kept }: Kept & Partial<GenerationNotification>): void {
    take(kept);
    publish();
    void shelf.set(nameOf(kept.id), kept);
  }
  function remove(id: string): void {
    notices.delete(id);
    void shelf.remove(nameOf(id));
  }

  function noteCredits(): void {
    const now = account.get();
    if (!now) return;
    const isLow = now.balance < ports.creditsLowBelow;
    if (isLow === wasLow) return;
    wasLow = isLow;
    void shelf.set(lowName, isLow);
    if (!isLow) return;
    keep({
      id: `credits-low-${now.seq}`,
      kind: "credits_low",
      title: "Your credits are running low.",
      detail: `${now.balance} left.`,
      jobId: null,
      traceId: null,
      at: new Date(clock.now()).toISOString(),
      seen: false,
      retryable: false,
    });
  }

  for (const kept of await shelf.load(nameOf(""), Kept)) take(kept);
  publish();
  noteCredits();
  const leaves = [
    records.onEnd((record) => {
      if (isAway || !ports.isObserved(record.key)) keep(noticeOf(record));
    }),
    account.subscribe(noteCredits),
    shelf.onChange(async (name) => {
      if (!name.startsWith(nameOf(""))) return;
      const kept = await shelf.get(name, Kept);
      if (kept) take(kept);
      else notices.delete(name.slice(nameOf("").length));
      publish();
    }),
    lifecycle.onLeave(() => isAway = true),
    lifecycle.onReturn(() => isAway = false),
  ];

  return {
    all,
    unseen,
    see(id) {
      for (const notice of [...notices.values()]) {
        if (!notice.seen && (id === undefined || notice.id === id)) keep({ ...notice, seen: true });
      }
    },
    dismiss(id) {
      remove(id);
      publish();
    },
    close: () => leaves.forEach((leave) => leave()),
  };
}

function noticeOf({ key, job }: GenerationRecord): Kept {
  if (job === null) throw new TypeError("what has ended has a job");
  return {
    id: key,
    jobId: job.id,
    traceId: job.traceId,
    at: job.endedAt ?? job.updatedAt,
    seen: false,
    retryable: job.status === "failed" && job.retryable,
    ...wordsOf(job),
  };
}

function wordsOf(job: GenerationJob): Pick<Kept, "kind" | "title" | "detail"> {
  if (job.status === "completed") {
    return {
      kind: "completed",
      title: job.numImages === 1 ? "Your picture is ready." : "Your pictures are ready.",
      detail: "It is on your profile.",
    };
  }
  if (job.status === "canceled") {
    return { kind: "canceled", title: "Canceled.", detail: chargeOf(job) };
  }
  const known = Object.hasOwn(jobErrors, job.errorCode ?? "")
    ? jobErrors[job.errorCode as JobErrorCode]
    : { title: "The picture could not be made.", action: "Try again later." };
  return { kind: "failed", title: known.title, detail: known.action };
}

function chargeOf({ creditsCaptured }: GenerationJob): string {
  return creditsCaptured ? `${creditsCaptured} credits were charged.` : "Nothing was charged.";
}
