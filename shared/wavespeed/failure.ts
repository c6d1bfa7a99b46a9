// Why a task that ended has no pictures to give: one class for each thing that the kernel does differently.

import type { Prediction } from "./prediction.ts";
import { moderationText } from "./rejection.ts";

export type FailureClass =
  | "moderation"
  | "bad_input"
  | "input_unreachable"
  | "no_credits"
  /** Failed for a reason of the task's own; the vendor advises against trying the same again. */
  | "task_failed"
  /** The provider's fault (5xxx); a new attempt may well succeed. */
  | "provider_error"
  | "timeout"
  | "cancelled"
  | "deleted"
  /** Completed, and not one URL among its outputs. */
  | "no_outputs";

const byErrorCode: Readonly<Record<number, FailureClass>> = {
  1200: "moderation",
  1400: "bad_input",
  1401: "bad_input",
  1402: "input_unreachable",
  1403: "task_failed",
  1405: "task_failed",
  1406: "provider_error",
  1407: "no_credits",
};

/** Null for a task that still runs and for one that delivered. */
export function failureClass(prediction: Prediction): FailureClass | null {
  switch (prediction.status) {
    case "created":
    case "processing":
    case "unknown_status":
      return null;
    case "completed":
      return prediction.outputs.length === 0 ? "no_outputs" : null;
    case "timeout":
    case "cancelled":
    case "deleted":
      return prediction.status;
    case "failed":
      return failedClass(prediction);
  }
}

function failedClass({ errorCode, error }: Prediction): FailureClass {
  if (errorCode !== null) {
    const known = byErrorCode[errorCode];
    if (known !== undefined) return known;
    if (errorCode >= 5000 && errorCode < 6000) return "provider_error";
  }
  // Only the verdict about this one prompt may rest on words; "no credits" would stop everybody.
  if (error !== null && moderationText.test(error)) return "moderation";
  return "task_failed";
}
