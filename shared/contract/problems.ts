// The catalogue of problems a caller can meet: code, HTTP status, what it means, what to do.
// The codes that SQL refuses with stand here too; a test compares the two.

interface ProblemEntry {
  /** HTTP status of the answer. */
  readonly status: number;
  /** What it means, in one sentence. */
  readonly title: string;
  /** What the caller can do about it. */
  readonly action: string;
}

export const problems = {
  invalid_json: {
    status: 400,
    title: "The body is not a JSON object.",
    action: "Send a JSON object with content-type application/json.",
  },
  invalid_request: {
    status: 400,
    title: "The request does not have the right shape.",
    action: "Correct the named fields.",
  },
  idempotency_key_missing: {
    status: 400,
    title: "The Idempotency-Key header is missing or is not a UUID.",
    action: "Mint one UUID per tap and send it with every try of the same request.",
  },
  unknown_model: {
    status: 400,
    title: "There is no such model.",
    action: "Choose one of the allowed models.",
  },
  unsupported_aspect_ratio: {
    status: 400,
    title: "The model does not make this aspect ratio.",
    action: "Choose one of the allowed ratios.",
  },
  invalid_prompt: {
    status: 400,
    title: "The prompt is empty or too long for the model.",
    action: "Write a prompt of the allowed length.",
  },
  unsupported_image_count: {
    status: 400,
    title: "The model does not make this many pictures at once.",
    action: "Ask for one of the allowed numbers of pictures.",
  },
  unsupported_input_count: {
    status: 400,
    title: "The model does not take this many reference images.",
    action: "Send one of the allowed numbers of reference images.",
  },
  input_not_found: {
    status: 400,
    title: "A reference image is not among your uploads.",
    action: "Upload it to generation-inputs under your own user id and name its path.",
  },
  retry_not_possible: {
    status: 400,
    title: "The job to retry is not one of yours that has ended.",
    action: "Name an ended job of your own, or leave retryOf out.",
  },
  unauthorized: {
    status: 401,
    title: "There is no valid user token on the request.",
    action: "Sign in and send the access token as a Bearer token.",
  },
  insufficient_credits: {
    status: 402,
    title: "The balance does not cover the price.",
    action: "Add credits, or ask for less.",
  },
  job_not_found: {
    status: 404,
    title: "There is no such job.",
    action: "Check the job id.",
  },
  image_not_found: {
    status: 404,
    title: "There is no such picture.",
    action: "Check the picture's id.",
  },
  method_not_allowed: {
    status: 405,
    title: "This endpoint takes POST only.",
    action: "Send a POST request.",
  },
  job_still_running: {
    status: 409,
    title: "A picture's job is still being stored.",
    action: "Wait until the job has ended.",
  },
  payload_too_large: {
    status: 413,
    title: "The body is too large.",
    action: "Send reference images to Storage and name their paths.",
  },
  idempotency_key_reused: {
    status: 422,
    title: "This Idempotency-Key was used for another request.",
    action: "Mint a new key for a new request.",
  },
  rate_limited: {
    status: 429,
    title: "Too many starts in a short time.",
    action: "Try again after retry_after_seconds with the same key.",
  },
  too_many_pending: {
    status: 429,
    title: "Too many of your jobs are still pending.",
    action: "Wait until one has ended; try again with the same key.",
  },
  internal_error: {
    status: 500,
    title: "Something failed on our side.",
    action: "Try again with the same key; tell support the trace id.",
  },
  intake_paused: {
    status: 503,
    title: "New jobs are not taken at the moment.",
    action: "Try again after retry_after_seconds with the same key.",
  },
  spend_limit_reached: {
    status: 503,
    title: "The project has reached its spending limit.",
    action: "Try again after retry_after_seconds with the same key.",
  },
  temporarily_unavailable: {
    status: 503,
    title: "The service cannot be reached at the moment.",
    action: "Try again after retry_after_seconds with the same key.",
  },
} as const satisfies Record<string, ProblemEntry>;

export type ProblemCode = keyof typeof problems;
