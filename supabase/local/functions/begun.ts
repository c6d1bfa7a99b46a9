// Runs in the function's process (Deno): what the function has begun with timers and fetch and has not finished.
//
// Work that nobody registered with EdgeRuntime.waitUntil shows itself by these two: without one of them, code that has
// given its answer is either done or waits for something that it began earlier.

type Timer = ReturnType<typeof setTimeout>;
type Callback = (...given: unknown[]) => void;

const timers = new Map<number, Timer>();
const fetches = new Set<Promise<unknown>>();

/** Timers that keep a process alive, and calls whose answer has not come. */
export function begunCount(): number {
  let held = 0;
  for (const timer of timers.values()) if (timer.hasRef?.() !== false) held++;
  return held + fetches.size;
}

/** From here on all is counted; `onBegin` hears of each thing that is begun. */
export function countBegun(onBegin: () => void): void {
  globalThis.fetch = new Proxy(fetch, {
    apply(target, self, args) {
      const answer: Promise<Response> = Reflect.apply(target, self, args);
      const done = () => void fetches.delete(answer);
      fetches.add(answer);
      answer.then(done, done);
      onBegin();
      return answer;
    },
  });
  globalThis.setTimeout = timed(setTimeout, onBegin, true);
  globalThis.setInterval = timed(setInterval, onBegin, false);
  globalThis.clearTimeout = cleared(clearTimeout);
  globalThis.clearInterval = cleared(clearInterval);
}

function timed<T extends typeof setTimeout | typeof setInterval>(
  real: T,
  onBegin: () => void,
  once: boolean,
): T {
  return new Proxy(real, {
    apply(target, self, [callback, ...rest]: [unknown, ...unknown[]]) {
      if (typeof callback !== "function") return Reflect.apply(target, self, [callback, ...rest]);
      const counted: Callback = function (this: unknown, ...given) {
        if (once) timers.delete(Number(timer));
        Reflect.apply(callback, this, given);
      };
      const timer: Timer = Reflect.apply(target, self, [counted, ...rest]);
      timers.set(Number(timer), timer);
      onBegin();
      return timer;
    },
  });
}

function cleared<T extends typeof clearTimeout | typeof clearInterval>(real: T): T {
  return new Proxy(real, {
    apply(target, self, [timer]: [unknown]) {
      if (timer !== undefined && timer !== null) timers.delete(Number(timer));
      Reflect.apply(target, self, [timer]);
    },
  });
}
