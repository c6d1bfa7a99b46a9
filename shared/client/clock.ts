// Time as the client sees it: a port, so that tests decide when something happens.

import { reasonOf } from "./signal.ts";

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `happen` once, `delayMs` from now; answers how to call it off. */
  after(delayMs: number, happen: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, happen) {
    const timer = setTimeout(happen, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(reasonOf(signal));
    const onAbort = () => {
      callOff();
      reject(reasonOf(signal!));
    };
    const callOff = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
