// The stand-in's time: the machine's, and as much later as a test has moved it. Moving it fires at once what falls due.

import { setImmediate } from "node:timers/promises";

interface Alarm {
  dueMs: number;
  ring: () => void;
  timer?: NodeJS.Timeout;
}

/** What setTimeout takes at most; longer waits are set again when it has run out. */
const maxTimerMs = 2 ** 31 - 1;

export class Clock {
  #aheadMs = 0;
  #stopped = false;
  #advanced = Promise.resolve();
  readonly #alarms = new Set<Alarm>();

  get aheadMs(): number {
    return this.#aheadMs;
  }

  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  /** Steps from alarm to alarm, also to those that are set on the way, so that all happens in its order and time. */
  advance(ms: number): Promise<void> {
    this.#advanced = this.#advanced.then(() => this.#advance(ms));
    return this.#advanced;
  }

  /** In how many seconds what is still to come is due, the next one first. */
  dueInSeconds(): number[] {
    const nowMs = this.nowMs();
    return [...this.#alarms].map(({ dueMs }) => Math.ceil((dueMs - nowMs) / 1000)).sort((a, b) => a - b);
  }

  /** Back to the machine's time. */
  reset(): void {
    this.#aheadMs = 0;
    for (const alarm of this.#alarms) this.#wind(alarm);
  }

  /** Answers how to call it off. */
  at(dueMs: number, ring: () => void): () => void {
    if (this.#stopped) return () => {};
    const alarm: Alarm = { dueMs, ring };
    this.#alarms.add(alarm);
    this.#wind(alarm);
    return () => this.#drop(alarm);
  }

  /** Resolves after `ms`, or as soon as `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        callOff();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const callOff = this.at(this.nowMs() + ms, end);
      signal.addEventListener("abort", end, { once: true });
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const alarm of this.#alarms) this.#drop(alarm);
  }

  async #advance(ms: number): Promise<void> {
    const aheadMs = this.#aheadMs + ms;
    for (;;) {
      const next = [...this.#alarms].sort((one, other) => one.dueMs - other.dueMs)[0];
      if (next === undefined || next.dueMs > Date.now() + aheadMs) break;
      this.#aheadMs = Math.max(this.#aheadMs, next.dueMs - Date.now());
      this.#ring(next);
      // What it woke up goes as far as it can without the network.
      await setImmediate();
    }
    this.#aheadMs = aheadMs;
    for (const alarm of this.#alarms) this.#wind(alarm);
  }

  #wind(alarm: Alarm): void {
    clearTimeout(alarm.timer);
    const leftMs = Math.max(0, alarm.dueMs - this.nowMs());
    const isFar = leftMs > maxTimerMs;
    alarm.timer = setTimeout(
      () => isFar ? this.#wind(alarm) : this.#ring(alarm),
      Math.min(leftMs, maxTimerMs),
    );
  }

  #ring(alarm: Alarm): void {
    // Another one that rang before it may have called it off.
    if (!this.#alarms.has(alarm)) return;
    this.#drop(alarm);
    alarm.ring();
  }

  #drop(alarm: Alarm): void {
    clearTimeout(alarm.timer);
    this.#alarms.delete(alarm);
  }
}
