// Why a job can fail, in the user's words. The same codes stand in the table genflow.job_errors; a test compares.

interface JobErrorEntry {
  /** Whether asking again may well succeed: the app offers one-tap retry. */
  readonly retryable: boolean;
  readonly title: string;
  readonly action: string;
}

export const jobErrors = {
  moderated: {
    retryable: false,
    title: "The provider refused this as unsafe.",
    action: "Change the prompt or the reference images.",
  },
  input_rejected: {
    retryable: false,
    title: "The provider refused the request as invalid.",
    action: "Change the prompt, the model or the settings.",
  },
  input_unreachable: {
    retryable: true,
    title: "A reference image could not be read.",
    action: "Upload it again and retry.",
  },
  model_unavailable: {
    retryable: false,
    title: "This model is not available any more.",
    action: "Choose another model.",
  },
  provider_failed: {
    retryable: true,
    title: "The picture could not be made.",
    action: "Retry; nothing was charged.",
  },
  provider_down: {
    retryable: true,
    title: "The image service could not be reached.",
    action: "Retry later; nothing was charged.",
  },
  no_outputs: {
    retryable: true,
    title: "The provider returned no picture.",
    action: "Retry; nothing was charged.",
  },
  submit_unknown: {
    retryable: true,
    title: "We could not find out whether the provider took the request.",
    action: "Retry; nothing was charged.",
  },
  interrupted: {
    retryable: true,
    title: "The work was interrupted too often.",
    action: "Retry; nothing was charged.",
  },
  processing_timeout: {
    retryable: true,
    title: "The picture took too long.",
    action: "Retry; nothing was charged.",
  },
  queue_expired: {
    retryable: true,
    title: "The job waited too long in the queue.",
    action: "Retry; nothing was charged.",
  },
  outputs_unusable: {
    retryable: true,
    title: "The provider's picture could not be used.",
    action: "Retry; nothing was charged.",
  },
  storage_timeout: {
    retryable: true,
    title: "The picture could not be stored in time.",
    action: "Retry; nothing was charged.",
  },
} as const satisfies Record<string, JobErrorEntry>;

export type JobErrorCode = keyof typeof jobErrors;
