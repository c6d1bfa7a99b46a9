// Pauses of an app that may be in the background, where nothing should be tried.

import { type Clock, pause } from "../clock.ts";
import type { Lifecycle } from "../lifecycle.ts";
import { anyOf, throwIfAborted } from "../signal.ts";

export interface Presence {
  /** Until the delay is over or the app comes back: only the latter while it is away. Rejects with the signal's reason. */
  pause(delayMs: number, signal?: AbortSignal): Promise<void>;
  leave(): void;
}

/** The longest that a timer can wait. */
const endlessMs = 2 ** 31 - 1;

export function watchPresence(lifecycle: Lifecycle, clock: Clock): Presence {
  let isAway = false;
  const leaves = [lifecycle.onLeave(() => isAway = true), lifecycle.onReturn(() => isAway = false)];
  return {
    async pause(delayMs, signal) {
      const back = new AbortController();
      const stop = lifecycle.onReturn(() => back.abort());
      const either = anyOf([signal, back.signal]);
      try {
        await pause(clock, isAway ? endlessMs : delayMs, either.signal);
      } catch (error) {
        throwIfAborted(signal);
        if (!back.signal.aborted) throw error;
      } finally {
        stop();
        either.leave();
      }
    },
    leave: () => leaves.forEach((leave) => leave()),
  };
}
