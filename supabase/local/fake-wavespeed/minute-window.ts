// Counts what happened since the last full minute: the provider's limits begin anew with each.

const minuteMs = 60_000;

export class MinuteWindow {
  #minute = 0;
  #taken = 0;

  /** False, and nothing taken, where `count` more would pass the limit. */
  take(count: number, limit: number | null, nowMs: number): boolean {
    const minute = Math.floor(nowMs / minuteMs);
    if (minute !== this.#minute) this.#taken = 0;
    this.#minute = minute;
    if (limit !== null && this.#taken + count > limit) return false;
    this.#taken += count;
    return true;
  }

  clear(): void {
    this.#taken = 0;
  }
}

export function secondsToNextMinute(nowMs: number): number {
  return Math.ceil((minuteMs - nowMs % minuteMs) / 1000);
}
