// What happens when, on a clock of its own; at one time, in the order of adding.

export interface Planned {
  at: number;
  happen: () => Promise<void> | void;
}

export class Agenda {
  /** Latest first, so that the next one is the last. */
  readonly #events: Planned[] = [];

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }
  get size(): number {
    return this.#events.length;
  }
  add(at: number, happen: () => Promise<void> | void): Planned {
    const event = { at, happen };
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.at > at) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
    return event;
  }
  remove(event: Planned): void {
    const at = this.#events.indexOf(event);
    if (at >= 0) this.#events.splice(at, 1);
  }
  take(): Planned {
    const event = this.#events.pop();
    if (event === undefined) throw new Error("nothing is left to happen, and not everything has ended");
    return event;
  }
}
