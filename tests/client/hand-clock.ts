// A clock that stands still until it is told to move.

import type { Clock } from "../../shared/client/clock.ts";

export interface HandClock extends Clock {
  /** Moves on, and lets happen what is due; what that arranges waits for the next time. */
  pass(seconds: number): void;
  /** Timers that wait. */
  waiting(): number;
  /** Forgets every timer, as the end of a process does. */
  forget(): void;
}

export function createHandClock(): HandClock {
  let nowMs = Date.UTC(2026, 0, 1);
  let timers: { dueMs: number; happen: () => void }[] = [];
  return {
    now: () => nowMs,
    after(delayMs, happen) {
      const timer = { dueMs: nowMs + delayMs, happen };
      timers.push(timer);
      return () => timers = timers.filter((each) => each !== timer);
    },
    pass(seconds) {
      nowMs += seconds * 1000;
      const due = timers.filter(({ dueMs }) => dueMs <= nowMs);
      timers = timers.filter((each) => !due.includes(each));
      for (const { happen } of due) happen();
    },
    waiting: () => timers.length,
    forget: () => void (timers = []),
  };
}
