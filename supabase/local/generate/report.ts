// What the terminal shows: lines for people, or one JSON object per event.

import {
  type CancelAnswer,
  type GenerationJob,
  jobErrors,
  type Problem,
  type Queue,
} from "../../../shared/contract/mod.ts";
import type { SavedImage } from "./save.ts";

export interface Report {
  note(text: string): void;
  queued(job: GenerationJob, queue: Queue): void;
  state(job: GenerationJob, expectedSeconds: number | null): void;
  completed(job: GenerationJob, images: SavedImage[], balance: number): void;
  ended(job: GenerationJob, balance: number): void;
  canceled(answer: CancelAnswer): void;
  refused(problem: Problem): void;
  close(): void;
}

export function jsonReport(write: (text: string) => void): Report {
  const line = (event: string, fields: object) => write(JSON.stringify({ event, ...fields }) + "\n");
  return {
    note() {},
    queued: ({ id, status, traceId, creditsHeld }, queue) =>
      line("queued", { jobId: id, status, traceId, creditsHeld, ...queue }),
    state: ({ id, status, seq, attempts }) => line("status", { jobId: id, status, seq, attempts }),
    completed: ({ id, status, traceId, creditsCaptured }, images, balance) =>
      line("completed", { status, jobId: id, ...images[0], images, creditsCaptured, balance, traceId }),
    ended: ({ id, status, errorCode, retryable, traceId }, balance) =>
      line("ended", { status, jobId: id, errorCode, retryable, balance, traceId }),
    canceled: ({ job, outcome, refund }) =>
      line("canceled", { status: job.status, jobId: job.id, outcome, refund, traceId: job.traceId }),
    refused: (problem) => line("refused", problem),
    close() {},
  };
}

const refundWords: Readonly<Record<CancelAnswer["refund"], string>> = {
  released: "the credits are back",
  pending: "the credits stay held until it is known whether the provider still delivered",
  none: "no credits come back",
};
const outcomeWords: Readonly<Record<CancelAnswer["outcome"], string>> = {
  canceled: "Canceled",
  too_late: "Too late to cancel, the picture is already being stored",
  already_ended: "The job had already ended",
};

/** On a terminal the last line is rewritten while time passes; elsewhere each state is one line. */
export function humanReport(out: NodeJS.WriteStream): Report {
  let ticking: NodeJS.Timeout | undefined;
  let lastLine = "";
  const stopTicking = () => {
    clearInterval(ticking);
    if (ticking !== undefined && out.isTTY) out.write("\n");
    ticking = undefined;
  };
  const line = (text: string) => {
    stopTicking();
    if (text !== lastLine) out.write(text + "\n");
    lastLine = text;
  };
  return {
    note: line,
    queued(_job, { position, exact, etaSeconds }) {
      const ahead = position === 0 ? "next in turn" : `${position}${exact ? "" : "+"} ahead`;
      line(`  queued       ${ahead}, about ${etaSeconds} s`);
    },
    state(job, expectedSeconds) {
      if (job.status === "queued") return;
      if (job.status !== "processing") return line(`  ${job.status}`);
      const elapsed = () => {
        const seconds = Math.max(
          0,
          Math.round((Date.now() - Date.parse(job.processingAt ?? job.updatedAt)) / 1000),
        );
        return `  processing   ${seconds} s of about ${expectedSeconds ?? "?"} s`;
      };
      line(elapsed());
      if (out.isTTY) ticking = setInterval(() => out.write(`\x1b[1A\x1b[2K${elapsed()}\n`), 1000);
    },
    completed(job, images, balance) {
      stopTicking();
      for (const { width, height, path, file } of images) {
        out.write(`\n  ${width} × ${height}\n  stored as    ${path}\n  saved to     ${file}\n`);
      }
      out.write(`\n  ${job.creditsCaptured} credits used, ${balance} left · trace ${job.traceId}\n`);
    },
    ended(job, balance) {
      const entry = job.errorCode !== null && Object.hasOwn(jobErrors, job.errorCode)
        ? jobErrors[job.errorCode as keyof typeof jobErrors]
        : undefined;
      line(`\n  ${job.status}: ${entry ? `${entry.title} ${entry.action}` : job.errorCode ?? ""}`.trimEnd());
      out.write(`  ${balance} credits left · trace ${job.traceId}\n`);
    },
    canceled({ job, outcome, refund }) {
      line(`\n  ${outcomeWords[outcome]}; ${refundWords[refund]}. Trace ${job.traceId}`);
    },
    refused({ title, detail, allowed, balance, price, trace_id: traceId }) {
      line(`${title} ${detail}`);
      if (allowed) out.write(`Allowed: ${allowed.join(", ")}\n`);
      if (price !== undefined) out.write(`Price ${price}, balance ${balance}.\n`);
      out.write(`Trace ${traceId}\n`);
    },
    close: stopTicking,
  };
}
