// Abort signals where a platform has only the oldest part of them: React Native's know neither reasons nor `any`.

/** What an aborted call rejects with: the signal's own reason, or an AbortError. */
export function reasonOf(signal: AbortSignal): unknown {
  return signal.reason ?? Object.assign(new Error("This operation was aborted"), { name: "AbortError" });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

/** Aborts with the first of them that does; `leave` lets go of them. */
export function anyOf(signals: (AbortSignal | undefined)[]): { signal: AbortSignal; leave: () => void } {
  const either = new AbortController();
  const leaves = signals.map((signal) => {
    const abort = () => either.abort(reasonOf(signal!));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    return () => signal?.removeEventListener("abort", abort);
  });
  return { signal: either.signal, leave: () => leaves.forEach((leave) => leave()) };
}
