// What has to be stopped, and in which order: first what makes work, then what does it, then what it stands on.

const ORDER = ["jobs", "functions", "gateway", "services", "provider", "database", "state"] as const;

export type Phase = (typeof ORDER)[number];

export interface Closing {
  add(phase: Phase, close: () => Promise<unknown> | void): void;
  /** Waits for `starting` and will stop what it gives. */
  keep<T extends { stop(): Promise<unknown> }>(phase: Phase, starting: T | Promise<T>): Promise<T>;
  /** May be called twice; the second call waits for the first. */
  close(): Promise<void>;
}

export function createClosing(): Closing {
  const closers: { phase: Phase; close: () => Promise<unknown> | void }[] = [];
  let closing: Promise<void> | null = null;
  const close = async () => {
    const failures: unknown[] = [];
    for (const phase of ORDER) {
      const outcomes = await Promise.allSettled(
        closers.filter((closer) => closer.phase === phase).map(async (closer) => await closer.close()),
      );
      // One that fails to stop must not keep the others alive.
      for (const outcome of outcomes) if (outcome.status === "rejected") failures.push(outcome.reason);
    }
    if (failures.length > 0) throw new AggregateError(failures, "The stack did not stop cleanly");
  };
  return {
    add: (phase, closer) => void closers.push({ phase, close: closer }),
    async keep(phase, starting) {
      const started = await starting;
      closers.push({ phase, close: () => started.stop() });
      return started;
    },
    close: () => closing ??= close(),
  };
}
