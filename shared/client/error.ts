// What can go wrong, as one class: the catalogue's codes as the backend sends them, and the client's own.

import { Problem, type ProblemCode, problemOf, problems } from "../contract/mod.ts";

export const clientProblems = {
  /** Nothing was heard from the backend. What was asked may have happened: the same key asks again. */
  offline: {
    title: "The backend could not be reached.",
    action: "It is tried again once there is a network.",
  },
  signed_out: {
    title: "Nobody is signed in.",
    action: "Sign in.",
  },
  unexpected_answer: {
    title: "The backend's answer was not understood.",
    action: "Try again later; update the app if it stays.",
  },
  unusable_input: {
    title: "This picture cannot be used.",
    action: "Choose a JPEG, PNG or WebP of at most 20 MiB.",
  },
  picture_gone: {
    title: "There is no such picture.",
    action: "It may have been deleted, or belong to another user.",
  },
  no_such_draft: {
    title: "There is no such draft.",
    action: "It may have been removed, or belong to another user.",
  },
  no_such_record: {
    title: "There is no such record.",
    action: "It may have been discarded, or belong to another user.",
  },
} as const;
export type ClientProblemCode = keyof typeof clientProblems;

/** `code` may be one that this version does not know: a later backend's. */
export type GenerationErrorCode = ProblemCode | ClientProblemCode | (string & Record<never, never>);

/** A Problem of the contract, or the client's own word in the same shape; also what a stored record keeps of it. */
export type ErrorFacts = Omit<Problem, "type" | "status" | "code"> & {
  code: GenerationErrorCode;
  /** HTTP status; null where no answer came. */
  status: number | null;
};

/** `message` is the title; `facts.detail` says what to do. */
export class GenerationError extends Error {
  override readonly name = "GenerationError";
  readonly facts: ErrorFacts;

  constructor(facts: ErrorFacts, options?: ErrorOptions) {
    super(facts.title, options);
    this.facts = facts;
  }

  get code(): GenerationErrorCode {
    return this.facts.code;
  }
}

export function clientError(code: ClientProblemCode, options?: ErrorOptions): GenerationError {
  const { title, action } = clientProblems[code];
  return new GenerationError({ code, status: null, title, detail: action, trace_id: "" }, options);
}

/** What the backend would refuse is refused here in the same words, without asking. */
export function refusal(code: ProblemCode, extras: Parameters<typeof problemOf>[2] = {}): GenerationError {
  return errorOf(problemOf(code, "", extras));
}

export function errorOf({ type: _, ...facts }: Problem): GenerationError {
  return new GenerationError(facts);
}

/** An answer that is not of 2xx: its problem, or what can be said of a gateway's page. */
export function errorOfAnswer(status: number, body: unknown): GenerationError {
  const problem = Problem.safeParse(body);
  if (problem.success) return errorOf(problem.data);
  if (status === 401) return refusal("unauthorized");
  const { facts } = clientError("unexpected_answer");
  const code = status >= 500 || status === 408 || status === 429 ? "offline" : facts.code;
  return new GenerationError({ ...facts, code, status });
}

/** The data API's errors: status from `PT404`, code of the catalogue in the hint, as the SQL functions raise them. */
export function errorOfRows(
  status: number,
  { code, hint }: { code?: string | null; hint?: string | null },
): GenerationError {
  // postgrest-js answers 0 where there was no answer.
  if (status === 0) return clientError("offline");
  if (/^PT\d{3}$/.test(code ?? "") && Object.hasOwn(problems, hint ?? "")) {
    return refusal(hint as ProblemCode);
  }
  return errorOfAnswer(status, null);
}

const passingStatuses: ReadonlySet<number> = new Set([408, 425, 500, 502, 503, 504]);
/** Refusals on purpose say when to come back: that is for the user to know, not to wait for in silence. */
const passingCodes: ReadonlySet<string> = new Set(["offline", "internal_error", "temporarily_unavailable"]);

/** True where nobody knows whether the call was heard, and the same call may succeed in a moment. */
export function isPassing({ facts: { code, status } }: GenerationError): boolean {
  if (passingCodes.has(code)) return true;
  return !Object.hasOwn(problems, code) && status !== null && passingStatuses.has(status);
}
