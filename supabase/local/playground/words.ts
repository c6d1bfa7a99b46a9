// What a generation's state is in the user's words.

import { type GenerationModel, type GenerationRecord, isLive } from "../../../shared/client/mod.ts";
import { type HoldReason, holdReasons, jobErrors } from "../../../shared/contract/mod.ts";

export interface Progress {
  text: string;
  /** 0 to 1; null where nobody can say. */
  done: number | null;
}

export function progressOf(
  { phase, job, queue }: GenerationRecord,
  model: GenerationModel | undefined,
  nowMs: number,
): Progress {
  if (phase === "sending") return { text: "Sending…", done: null };
  if (phase === "unsent") return { text: "Waits for a network", done: null };
  if (!job) return { text: "Looking it up…", done: null };
  switch (job.status) {
    case "queued": {
      if (queue?.hold) return { text: holdTitle(queue.hold.reason), done: null };
      if (!queue || queue.position === 0) return { text: "Next in the queue", done: null };
      return { text: `${queue.exact ? "" : "More than "}${queue.position} ahead`, done: null };
    }
    case "unknown":
      return { text: "Asking the provider…", done: null };
    case "persisting":
      return { text: "Storing…", done: 0.95 };
    default: {
      const expected = model?.expectedSeconds ?? 10;
      const since = job.processingAt ?? job.submittingAt ?? job.updatedAt;
      const seconds = Math.max(0, (nowMs - Date.parse(since)) / 1000);
      const left = Math.ceil(expected - seconds);
      return {
        text: left > 0 ? `About ${left} s left` : "Almost there…",
        done: seconds / (seconds + expected / 2),
      };
    }
  }
}

function holdTitle(reason: string): string {
  return reason in holdReasons ? holdReasons[reason as HoldReason].title : "Waiting.";
}

/** Null while it runs, and where it went well. */
export function failureOf({ phase, job, error }: GenerationRecord): { title: string; detail: string } | null {
  if (phase === "refused" && error) return { title: error.title, detail: error.detail };
  if (job?.status === "canceled") return { title: "Canceled.", detail: "" };
  if (job?.status !== "failed") return null;
  const known = Object.entries(jobErrors).find(([code]) => code === job.errorCode)?.[1];
  return {
    title: known?.title ?? "The picture could not be made.",
    detail: known?.action ?? "Try again later.",
  };
}

export function isRunning(record: GenerationRecord): boolean {
  return isLive(record);
}

export const credits = (count: number) => `${count} ${count === 1 ? "credit" : "credits"}`;

const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
export const when = (iso: string) => dateAndTime.format(new Date(iso));
export const clockTime = (iso: string) => timeOfDay.format(new Date(iso));
