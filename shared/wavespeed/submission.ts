// What one POST came to: accepted, rejected for certain, or unknown. A value in every case, never a throw:
// the three lead to different decisions about money, and the third must not be mistaken for the second.

import { readEnvelope } from "./envelope.ts";
import type { BodyProblem, Exchange } from "./exchange.ts";
import { type Prediction, readPrediction } from "./prediction.ts";
import { redact } from "./redact.ts";
import { type RejectionClass, rejectionClass } from "./rejection.ts";
import { retryAfterSeconds } from "./retry-after.ts";

export type UnknownCause =
  | "timeout"
  | "aborted"
  | "network"
  /** 5xx or 408, in the status line or in the frame. */
  | "server_error"
  | "redirect"
  /** A 2xx that does not name a task: HTML, half a JSON, no id. */
  | "unreadable";

export type Submission =
  | { kind: "accepted"; taskId: string; status: Prediction["status"]; prediction: Prediction }
  | {
    kind: "rejected";
    class: RejectionClass;
    /** Null when nothing was sent. */
    httpStatus: number | null;
    providerCode?: number;
    retryAfterSeconds?: number;
    /** Class, status and code: fit for a log. */
    detail: string;
    /** The provider's words without key, prompt and URL queries, ≤ 200 characters, for operators only. */
    providerMessage?: string;
  }
  | {
    kind: "unknown";
    cause: UnknownCause;
    httpStatus: number | null;
    providerCode?: number;
    detail: string;
    providerMessage?: string;
  };

const causeOfProblem: Readonly<Record<BodyProblem, UnknownCause>> = {
  timeout: "timeout",
  aborted: "aborted",
  truncated: "unreadable",
  too_large: "unreadable",
  not_utf8: "unreadable",
};

/** `secrets` are the key and all that the user wrote: they are kept out of what is told. */
export function readSubmission(exchange: Exchange, secrets: readonly string[], nowMs: number): Submission {
  if (exchange.kind === "silence") {
    return exchange.cause === "not_sent" ? rejectedUnsent() : unknown(exchange.cause, null);
  }
  const { httpStatus } = exchange;
  if (httpStatus < 200 || (httpStatus >= 300 && httpStatus < 400)) return unknown("redirect", httpStatus);

  const envelope = readEnvelope(exchange.body);
  const is2xx = httpStatus < 300;
  const message = redact(envelope.message, secrets);
  const operator = {
    ...(envelope.providerCode === null ? {} : { providerCode: envelope.providerCode }),
    ...(message === "" ? {} : { providerMessage: message }),
  };
  const rejected = is2xx && (envelope.code === null || envelope.code === 200) ? null : rejectionClass({
    status: is2xx ? envelope.code ?? httpStatus : httpStatus,
    providerCode: envelope.providerCode,
    message,
    isJson: envelope.isJson,
  });
  // A task id outweighs a bad code beside it, unless the status line itself is a definite no.
  const prediction = is2xx || rejected === null ? readPrediction(envelope.data) : null;
  if (prediction !== null) {
    return { kind: "accepted", taskId: prediction.id, status: prediction.status, prediction };
  }
  if (rejected === null) {
    const problem = exchange.bodyProblem === null ? "unreadable" : causeOfProblem[exchange.bodyProblem];
    const serverError = !is2xx || (envelope.code !== null && envelope.code !== 200);
    return unknown(serverError ? "server_error" : problem, httpStatus, operator);
  }
  const wait = rejected === "rate_limited" ? retryAfterSeconds(exchange.headers, nowMs) : undefined;
  return {
    kind: "rejected",
    class: rejected,
    httpStatus,
    ...operator,
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
    detail: describe(rejected, httpStatus, envelope.providerCode),
  };
}

/** A request that we could not even write down: the fault is ours and nothing was sent. */
export function rejectedAsMalformed(what: string): Submission {
  return { kind: "rejected", class: "bad_input", httpStatus: null, detail: `bad_input ${what}` };
}

function rejectedUnsent(): Submission {
  return { kind: "rejected", class: "not_sent", httpStatus: null, detail: "not_sent" };
}

function unknown(
  cause: UnknownCause,
  httpStatus: number | null,
  operator: { providerCode?: number; providerMessage?: string } = {},
): Submission {
  return {
    kind: "unknown",
    cause,
    httpStatus,
    ...operator,
    detail: describe(cause, httpStatus, operator.providerCode),
  };
}

function describe(what: string, httpStatus: number | null, providerCode: number | null | undefined): string {
  const parts = [what];
  if (httpStatus !== null) parts.push(`http=${httpStatus}`);
  if (providerCode !== null && providerCode !== undefined) parts.push(`code=${providerCode}`);
  return parts.join(" ");
}
