// An error as it crosses the wire: RFC 9457 problem+json with a stable code.

import * as z from "zod";
import { type ProblemCode, type ProblemExtra, problems } from "./problems.ts";

export const Problem = z.object({
  type: z.string(),
  /** Stable; a ProblemCode of the catalogue, or a later one that this version does not know. */
  code: z.string(),
  status: z.number().int(),
  title: z.string(),
  /** What to do. */
  detail: z.string(),
  trace_id: z.string(),
  /** The request's fields that are wrong. */
  fields: z.array(z.string()).optional(),
  /** What would be accepted instead. */
  allowed: z.array(z.union([z.string(), z.number()])).optional(),
  /** Seconds to wait before trying again with the same key; also the header Retry-After. */
  retry_after_seconds: z.number().int().nonnegative().optional(),
  /** Credits at hand, on insufficient_credits. */
  balance: z.number().int().optional(),
  /** Credits needed, on insufficient_credits. */
  price: z.number().int().optional(),
  /** Which cap is reached: a CapName of the catalogue, or a later one that this version does not know. */
  cap: z.string().optional(),
  /** The height of that cap where it is the user's own: jobs a minute, or jobs at once. */
  limit: z.number().int().nonnegative().optional(),
});
export type Problem = z.infer<typeof Problem>;

export type ProblemExtras = Pick<Problem, ProblemExtra>;

/** What the catalogue says that an answer with this code carries. */
export type ExtrasOf<Code extends ProblemCode> = Required<
  Pick<ProblemExtras, typeof problems[Code]["extras"][number]>
>;

/** Builds the catalogue's problem for `code`. */
export function problemOf(code: ProblemCode, traceId: string, extras: ProblemExtras = {}): Problem {
  const { status, title, action } = problems[code];
  return { type: "about:blank", code, status, title, detail: action, trace_id: traceId, ...extras };
}
