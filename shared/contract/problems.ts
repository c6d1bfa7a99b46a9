// The catalogue of problems a caller can meet: code, HTTP status, what it means, what to do, what is said beside that.
// The codes that SQL refuses with stand here too; a test compares the two.

/** What a problem may say beside the catalogue's words: fields of a Problem. */
export type ProblemExtra =
  | "fields"
  | "allowed"
  | "retry_after_seconds"
  | "balance"
  | "price"
  | "cap"
  | "limit";

interface ProblemEntry {
  /** HTTP status of the answer. */
  readonly status: number;
  /** What it means, in one sentence. */
  readonly title: string;
  /** What the caller can do about it. */
  readonly action: string;
  /** What every answer with this code carries besides. */
  readonly extras: readonly ProblemExtra[];
}

export const problems = {
  invalid_json: {
    status: 400,
    title: "The body is not a JSON object.",
    action: "Send a JSON object with content-type application/json.",
    extras: [],
  },
  invalid_request: {
    status: 400,
    title: "The request does not have the right shape.",
    action: "Correct the named fields.",
    extras: ["fields"],
  },
  idempotency_key_missing: {
    status: 400,
    title: "The Idempotency-Key header is missing or is not a UUID.",
    action: "Mint one UUID per tap and send it with every try of the same request.",
    extras: ["fields"],
  },
  unknown_model: {
    status: 400,
    title: "There is no such model.",
    action: "Choose one of the allowed models.",
    extras: ["fields", "allowed"],
  },
  unsupported_aspect_ratio: {
    status: 400,
    title: "The model does not make this aspect ratio.",
    action: "Choose one of the allowed ratios.",
    extras: ["fields", "allowed"],
  },
  invalid_prompt: {
    status: 400,
    title: "The prompt is empty or too long for the model.",
    action: "Write a prompt of the allowed length.",
    extras: ["fields", "allowed"],
  },
  unsupported_image_count: {
    status: 400,
    title: "The model does not make this many pictures at once.",
    action: "Ask for one of the allowed numbers of pictures.",
    extras: ["fields", "allowed"],
  },
  unsupported_input_count: {
    status: 400,
    title: "The model does not take this many reference images.",
    action: "Send one of the allowed numbers of reference images.",
    extras: ["fields", "allowed"],
  },
  input_not_found: {
    status: 400,
    title: "A reference image is not among your uploads.",
    action: "Upload it to generation-inputs under your own user id and name its path.",
    extras: ["fields"],
  },
  retry_not_possible: {
    status: 400,
    title: "The job to retry is not one of yours that has ended.",
    action: "Name an ended job of your own, or leave retryOf out.",
    extras: ["fields"],
  },
  unauthorized: {
    status: 401,
    title: "There is no valid user token on the request.",
    action: "Sign in and send the access token as a Bearer token.",
    extras: [],
  },
  insufficient_credits: {
    status: 402,
    title: "The balance does not cover the price.",
    action: "Add credits, or ask for less.",
    extras: ["balance", "price"],
  },
  job_not_found: {
    status: 404,
    title: "There is no such job.",
    action: "Check the job id.",
    extras: [],
  },
  image_not_found: {
    status: 404,
    title: "There is no such picture.",
    action: "Check the picture's id.",
    extras: [],
  },
  method_not_allowed: {
    status: 405,
    title: "This endpoint takes POST only.",
    action: "Send a POST request.",
    extras: [],
  },
  job_still_running: {
    status: 409,
    title: "A picture's job is still being stored.",
    action: "Wait until the job has ended.",
    extras: [],
  },
  payload_too_large: {
    status: 413,
    title: "The body is too large.",
    action: "Send reference images to Storage and name their paths.",
    extras: [],
  },
  idempotency_key_reused: {
    status: 422,
    title: "This Idempotency-Key was used for another request.",
    action: "Mint a new key for a new request.",
    extras: [],
  },
  rate_limited: {
    status: 429,
    title: "Too many starts in a short time.",
    action: "Try again after retry_after_seconds with the same key.",
    extras: ["retry_after_seconds", "cap", "limit"],
  },
  too_many_pending: {
    status: 429,
    title: "Too many of your jobs are still pending.",
    action: "Wait until one has ended; try again with the same key.",
    extras: ["retry_after_seconds", "cap", "limit"],
  },
  internal_error: {
    status: 500,
    title: "Something failed on our side.",
    action: "Try again with the same key; tell support the trace id.",
    extras: [],
  },
  intake_paused: {
    status: 503,
    title: "New jobs are not taken at the moment.",
    action: "Try again after retry_after_seconds with the same key.",
    extras: ["retry_after_seconds"],
  },
  spend_limit_reached: {
    status: 503,
    title: "The project has reached its spending limit.",
    action: "Try again after retry_after_seconds with the same key.",
    extras: ["retry_after_seconds", "cap"],
  },
  temporarily_unavailable: {
    status: 503,
    title: "The service cannot be reached at the moment.",
    action: "Try again after retry_after_seconds with the same key.",
    extras: ["retry_after_seconds"],
  },
} as const satisfies Record<string, ProblemEntry>;

export type ProblemCode = keyof typeof problems;

/** The caps that a problem's `cap` names. The project's own stand without their height: that is the operator's. */
export const caps = {
  user_starts_per_minute: "Jobs that one user may start a minute, once the burst is spent.",
  user_pending: "Jobs that one user may have waiting and running at once.",
  project_credits_per_day: "Credits that the whole project may hold a UTC day.",
  project_credits_per_month: "Credits that the whole project may hold a UTC month.",
  project_starts_per_day: "Jobs that the whole project may start a UTC day.",
  project_starts_per_month: "Jobs that the whole project may start a UTC month.",
} as const;

export type CapName = keyof typeof caps;
