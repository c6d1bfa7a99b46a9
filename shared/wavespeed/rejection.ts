// Which answers to a submit prove that no task was made, and why.
// Null means that this answer proves nothing: the task may exist.

export type RejectionClass =
  /** 429: too many a minute, or too many at once. Burns no attempt. */
  | "rate_limited"
  | "moderation"
  | "bad_input"
  /** The provider could not read a reference image. */
  | "input_unreachable"
  /** Our account with the provider is empty. Concerns everybody's jobs, not this one. */
  | "no_credits"
  /** Our account is suspended. Concerns everybody's jobs. */
  | "suspended"
  /** Our key is missing, wrong or lacks a role. Concerns everybody's jobs. */
  | "unauthorized"
  | "model_not_found"
  /** The provider says that the task ran and failed. */
  | "task_failed"
  /** Another definite no, for instance of a firewall in front of the provider. */
  | "refused"
  /** Nothing left this machine: no such name, or nobody listens. */
  | "not_sent";

/** Codes of the provider's own table; 5xxx are faults on its side, after which the task may be alive. */
const byProviderCode: Readonly<Record<number, RejectionClass>> = {
  1200: "moderation",
  1400: "bad_input",
  1401: "bad_input",
  1402: "input_unreachable",
  1403: "task_failed",
  1405: "task_failed",
  1406: "task_failed",
  1407: "no_credits",
};

const byHttpStatus: Readonly<Record<number, RejectionClass>> = {
  400: "bad_input",
  401: "unauthorized",
  402: "no_credits",
  403: "suspended",
  404: "model_not_found",
  413: "bad_input",
  422: "bad_input",
  429: "rate_limited",
};

/** 4xx that speak of time, not of the request: a gateway may have handed it on. */
const unprovenStatuses: ReadonlySet<number> = new Set([408, 499]);

/** The vendor documents no status for an empty account; these wordings were seen in its pages and clients. */
const creditsText = new RegExp(
  [
    String.raw`insufficient\W+(\w+\W+)?(credit|balance|fund|quota)`,
    String.raw`(credit|balance|fund|quota)s?\W+(\w+\W+){0,2}(insufficient|low|exhausted|empty|not enough)`,
    String.raw`(not enough|out of|no|add)\W+(\w+\W+)?(credit|fund|balance)`,
    String.raw`top[- ]?up`,
  ].join("|"),
  "i",
);
export const moderationText =
  /moderat|nsfw|sensitive (content|word)|content (policy|filter)|policy violation|prohibited content|safety (system|filter|check)/i;
const unreachableText =
  /(unreachable|could not|cannot|failed to|unable to) (be )?(download|fetch|access|load|reach)/i;
const roleText = /\b(role|permission|scope)s?\b/i;

/** Texts decide only where the status alone is ambiguous, in this order. */
const byText: readonly { statuses: readonly number[]; text: RegExp; class: RejectionClass }[] = [
  { statuses: [400, 403], text: creditsText, class: "no_credits" },
  { statuses: [400, 403, 422], text: moderationText, class: "moderation" },
  { statuses: [400, 422], text: unreachableText, class: "input_unreachable" },
  { statuses: [403], text: roleText, class: "unauthorized" },
];

/**
 * `status` is the HTTP status, or the frame's code where HTTP said 2xx. `message` must be cleaned of what the user
 * wrote: otherwise a prompt that says "insufficient credits" could pause everybody's queue.
 */
export function rejectionClass(answer: {
  status: number;
  providerCode: number | null;
  message: string;
  isJson: boolean;
}): RejectionClass | null {
  const { status, providerCode } = answer;
  if (status >= 500 && status < 600) return null;
  if (unprovenStatuses.has(status)) return null;
  if (providerCode !== null && providerCode >= 500 && providerCode !== status) {
    const known = byProviderCode[providerCode];
    if (known !== undefined) return known;
    if (providerCode < 600 || (providerCode >= 5000 && providerCode < 6000)) return null;
  }
  const knownStatus = byProviderCode[status];
  if (knownStatus !== undefined) return knownStatus;
  if (status < 400 || status >= 500) return null;
  for (const rule of byText) {
    if (rule.statuses.includes(status) && rule.text.test(answer.message)) return rule.class;
  }
  // An account is suspended in JSON; a bare 403 page is a firewall that disliked this one request.
  if (status === 403 && !answer.isJson) return "refused";
  return byHttpStatus[status] ?? "refused";
}
