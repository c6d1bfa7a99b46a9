// Asks again what may be asked again: calls that do nothing twice, after errors that pass.

import { type Clock, pause } from "./clock.ts";
import { GenerationError, isPassing } from "./error.ts";
import { throwIfAborted } from "./signal.ts";

const baseDelayMs = 500;
const maxDelayMs = 8000;
/** The first included: some seven seconds, then the caller hears of it. */
const maxTries = 4;

export interface Retry {
  clock: Clock;
  /** From 0 to below 1. */
  random: () => number;
}

/** `call` must be idempotent. Full jitter; ends at the first error that does not pass, at the last try or by the signal. */
export async function retrying<Answer>(
  { clock, random }: Retry,
  signal: AbortSignal | undefined,
  call: () => Promise<Answer>,
): Promise<Answer> {
  for (let tries = 1;; tries++) {
    throwIfAborted(signal);
    try {
      return await call();
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof GenerationError) || !isPassing(error) || tries === maxTries) throw error;
      await pause(clock, random() * Math.min(maxDelayMs, baseDelayMs * 2 ** tries), signal);
    }
  }
}
