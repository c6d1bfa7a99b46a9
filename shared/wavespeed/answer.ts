// What a request other than a submit came to. None of them makes a task, so asking again is always safe; whether and
// when to do so is the caller's decision.

import { readEnvelope } from "./envelope.ts";
import type { Exchange } from "./exchange.ts";
import { retryAfterSeconds } from "./retry-after.ts";

export type NoAnswer =
  /** Neither an end nor a proof of absence: the provider also answers so for a task older than its retention. */
  | { kind: "not_found" }
  | { kind: "rate_limited"; retryAfterSeconds?: number }
  | { kind: "unavailable"; cause: UnavailableCause; httpStatus: number | null; detail: string };

export type UnavailableCause =
  | "network"
  | "timeout"
  | "aborted"
  | "server_error"
  /** 401, 402 and 403: our account or key. */
  | "unauthorized"
  /** Another 4xx, or a redirect, which is never followed. */
  | "refused"
  | "unreadable";

export type Answer<Value> = { kind: "ok"; value: Value } | NoAnswer;

/** `read` answers null for data that is not what was asked for. */
export function readAnswer<Value>(
  exchange: Exchange,
  nowMs: number,
  read: (data: unknown) => Value | null,
): Answer<Value> {
  if (exchange.kind === "silence") {
    return unavailable(exchange.cause === "not_sent" ? "network" : exchange.cause, null);
  }
  const { httpStatus } = exchange;
  const is2xx = httpStatus >= 200 && httpStatus < 300;
  const envelope = readEnvelope(exchange.body);
  const status = is2xx && envelope.code !== null ? envelope.code : httpStatus;
  if (status >= 200 && status < 300) {
    const value = exchange.body === null || !envelope.isJson ? null : read(envelope.data);
    if (value !== null) return { kind: "ok", value };
    const problem = exchange.bodyProblem;
    return unavailable(problem === "timeout" || problem === "aborted" ? problem : "unreadable", httpStatus);
  }
  if (status === 404) return { kind: "not_found" };
  if (status === 429) {
    const wait = retryAfterSeconds(exchange.headers, nowMs);
    return { kind: "rate_limited", ...(wait === undefined ? {} : { retryAfterSeconds: wait }) };
  }
  if ([401, 402, 403].includes(status)) return unavailable("unauthorized", httpStatus);
  const serverFault = (status >= 500 && status < 600) || status >= 5000 || status === 408;
  return unavailable(serverFault ? "server_error" : "refused", httpStatus);
}

export function unavailable(
  cause: UnavailableCause,
  httpStatus: number | null,
): Extract<NoAnswer, { kind: "unavailable" }> {
  const detail = httpStatus === null ? cause : `${cause} http=${httpStatus}`;
  return { kind: "unavailable", cause, httpStatus, detail };
}
