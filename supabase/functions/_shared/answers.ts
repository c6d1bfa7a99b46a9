// Answers as every function gives them: JSON, or the catalogue's problem as problem+json.

import {
  type ExtrasOf,
  type ProblemCode,
  type ProblemExtras,
  problemOf,
  problems,
} from "../../../shared/contract/mod.ts";
import type { Line, Refusal } from "../../../shared/backend/mod.ts";

/** Whose answer it is. */
export interface Asked {
  traceId: string;
  /** Learns which problem was answered. */
  line: Line;
}

export function json(status: number, body: unknown, traceId: string): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store", "x-trace-id": traceId } });
}

/** Answers with the problem of this code and all that its entry in the catalogue says it carries. */
export function problem<Code extends ProblemCode>(
  code: Code,
  asked: Asked,
  ...[extras]: keyof ExtrasOf<Code> extends never ? [] : [ExtrasOf<Code>]
): Response {
  return answerWith(code, asked, extras ?? {});
}

function answerWith(code: ProblemCode, { traceId, line }: Asked, extras: ProblemExtras): Response {
  line.add({ code, cap: extras.cap, retry_after_seconds: extras.retry_after_seconds });
  const body = problemOf(code, traceId, extras);
  const headers = new Headers({
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-trace-id": traceId,
  });
  if (extras.retry_after_seconds !== undefined) {
    headers.set("retry-after", String(extras.retry_after_seconds));
  }
  return new Response(JSON.stringify(body), { status: body.status, headers });
}

/** What the kernel refused with. A code that the catalogue does not know is our own fault. */
export function refused({ error }: Refusal, asked: Asked): Response {
  if (!isProblemCode(error.code)) {
    asked.line.add({ error: "UnknownProblem", error_code: error.code });
    return problem("internal_error", asked);
  }
  return answerWith(error.code, asked, {
    ...(error.fields === undefined ? {} : { fields: error.fields }),
    ...(error.allowed === undefined ? {} : { allowed: error.allowed }),
    ...(error.retryAfterSeconds === undefined ? {} : { retry_after_seconds: error.retryAfterSeconds }),
    ...(error.balance === undefined ? {} : { balance: error.balance }),
    ...(error.price === undefined ? {} : { price: error.price }),
    ...(error.cap === undefined ? {} : { cap: error.cap }),
    ...(error.limit === undefined ? {} : { limit: error.limit }),
  });
}

function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(problems, code);
}
