// Why nothing is handed to the provider for now, in the user's words, and until when.

import * as z from "zod";

interface HoldEntry {
  readonly title: string;
  readonly action: string;
}

/** The reasons; a later server may name one that this version does not know. */
export const holdReasons = {
  /** The provider said 429. */
  provider_busy: {
    title: "The image service is busy.",
    action: "Wait; the job keeps its place.",
  },
  /** Submits failed in a row: the circuit breaker is open. */
  provider_outage: {
    title: "The image service does not answer.",
    action: "Wait; it is tried again by itself, and the job keeps its place.",
  },
  /** Our account with the provider is empty, suspended or refused: nothing that a user can mend. */
  provider_unavailable: {
    title: "The image service is not available at the moment.",
    action: "Wait or cancel; the credits of a job that never runs come back.",
  },
  /** By the operator: a pause, or a cap of 0 for the project or for this user. */
  paused: {
    title: "Generating is paused.",
    action: "Wait or cancel; the credits of a job that never runs come back.",
  },
} as const satisfies Record<string, HoldEntry>;

export type HoldReason = keyof typeof holdReasons;

/**
 * A hold concerns every queued job of the user, whatever its place: position and ETA go on counting behind it. Of
 * several that stand at once the longest is named.
 *
 * Nobody is pushed a message when a hold begins or ends, as nobody is told when others move: it is part of `queue`,
 * which a client that shows a queued job reads anew (`rpc("queue_position")`) when `until` has passed and every 30 s.
 * The end of the waiting itself is pushed, since the job then changes.
 */
export const Hold = z.object({
  /** A key of `holdReasons`, or a later one: then show the job as waiting. */
  reason: z.string(),
  /**
   * ISO 8601 with an offset: the earliest moment at which jobs may be claimed again. It moves on if the provider still
   * fails then. Null where nobody knows.
   */
  until: z.iso.datetime({ offset: true }).nullable(),
});
export type Hold = z.infer<typeof Hold>;
