// What has to be closed again, and pauses that end early when it is.

export interface Stopping {
  add(close: () => void | Promise<void>): void;
  /** Closes everything, the last added first. */
  run(): Promise<void>;
  /** True when the time has passed, false when everything stops. */
  pause(delayMs: number): Promise<boolean>;
}

export function createStopping(): Stopping {
  const closers: (() => void | Promise<void>)[] = [];
  const pauses = new Map<NodeJS.Timeout, (passed: boolean) => void>();
  return {
    add: (close) => void closers.push(close),
    run: async () => {
      for (const [timer, resolve] of pauses) {
        clearTimeout(timer);
        resolve(false);
      }
      pauses.clear();
      for (const close of closers.splice(0).reverse()) await close();
    },
    pause: (delayMs) => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => {
        pauses.delete(timer);
        resolve(true);
      }, delayMs);
      pauses.set(timer, resolve);
      return promise;
    },
  };
}
