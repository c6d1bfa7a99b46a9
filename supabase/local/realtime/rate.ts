/**
 * How many a second, measured as hosted measures it: counts are closed into buckets of five seconds, the rate is their
 * average over the last minute at most, and the bucket that is still open does not count. So a burst is noticed up to
 * five seconds late, and the longer it was quiet before, the larger a burst may be.
 */

const MAX_BUCKETS = 12;
const BUCKET_MS = 5_000;

export interface RateOptions {
  /** Default 5000, as hosted. */
  bucketMs?: number;
  /** Milliseconds that only grow. */
  now?: () => number;
}

export class Rate {
  readonly limit: number;
  readonly #bucketMs: number;
  readonly #now: () => number;
  // Hosted closes a first, empty bucket as it starts to count.
  #buckets: number[] = [0];
  #open = 0;
  #openedAtMs: number;

  constructor(limitPerSecond: number, options: RateOptions = {}) {
    this.limit = limitPerSecond;
    this.#bucketMs = options.bucketMs ?? BUCKET_MS;
    this.#now = options.now ?? (() => performance.now());
    this.#openedAtMs = this.#now();
  }

  count(events = 1): void {
    this.#close();
    this.#open += events;
  }

  get perSecond(): number {
    this.#close();
    const sum = this.#buckets.reduce((total, events) => total + events, 0);
    return sum / this.#buckets.length / (this.#bucketMs / 1000);
  }

  get exceeded(): boolean {
    return this.perSecond >= this.limit;
  }

  #close(): void {
    const passed = Math.floor((this.#now() - this.#openedAtMs) / this.#bucketMs);
    if (passed === 0) return;
    this.#openedAtMs += passed * this.#bucketMs;
    const empty = new Array<number>(Math.min(passed - 1, MAX_BUCKETS)).fill(0);
    this.#buckets = [...this.#buckets, this.#open, ...empty].slice(-MAX_BUCKETS);
    this.#open = 0;
  }
}
