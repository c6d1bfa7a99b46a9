// A value that changes, and those who want to know: the shape that React's useSyncExternalStore takes.

import { throwIfAborted } from "./signal.ts";

export interface Live<Value> {
  /** The same object until it changes. */
  get(): Value;
  /** Calls `listener` after each change; answers how to stop that. */
  subscribe(listener: () => void): () => void;
}

export interface Cell<Value> extends Live<Value> {
  set(value: Value): void;
}

export function createCell<Value>(initial: Value): Cell<Value> {
  let current = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => current,
    set(value) {
      if (Object.is(value, current)) return;
      current = value;
      // A copy: a listener may leave, or bring another, while it is told.
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      // Two who bring the same function leave one by one.
      const own = () => listener();
      listeners.add(own);
      return () => void listeners.delete(own);
    },
  };
}

/**
 * The value now and after each change, the newest where several came while nobody asked. Ends with `isLast`, with the
 * loop that reads it, or by throwing the signal's reason.
 */
export async function* updatesOf<Value>(
  live: Live<Value>,
  { signal, isLast = () => false }: { signal?: AbortSignal | undefined; isLast?: (value: Value) => boolean } =
    {},
): AsyncGenerator<Value, void, void> {
  let wake = () => {};
  const leave = live.subscribe(() => wake());
  const onAbort = () => wake();
  signal?.addEventListener("abort", onAbort);
  try {
    for (let given: { value: Value } | null = null;;) {
      throwIfAborted(signal);
      const value = live.get();
      if (given === null || !Object.is(given.value, value)) {
        given = { value };
        yield value;
        if (isLast(value)) return;
        continue;
      }
      await new Promise<void>((resolve) => wake = resolve);
    }
  } finally {
    leave();
    signal?.removeEventListener("abort", onAbort);
  }
}
