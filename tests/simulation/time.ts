// The simulated world's time and chance inside this process. What an invocation waits for with setTimeout or
// AbortSignal.timeout passes in simulated time; Web Crypto, whose answers come from other threads whenever they like,
// answers at once. Both only for code that runs inside an invocation: the database's driver keeps the real ones.

import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Agenda, type Planned } from "./agenda.ts";

/** One running function, or the app. Once it is dead nothing in it goes on. */
export interface Owner {
  dead: boolean;
  /** It is starved or asleep until then: answers and timers that are due wait for it. */
  asleepUntil: number;
}

export interface Time {
  /** Milliseconds since the epoch. */
  now(): number;
  after(ms: number, happen: () => Promise<void> | void): Planned;
  cancel(planned: Planned): void;
  /** Goes on to the next event and lets all that it sets going run until it waits again. False if nothing is left. */
  step(): Promise<boolean>;
  readonly planned: number;
  /** Work of the world itself that takes turns of the loop: no event happens before it is done. */
  during<Result>(work: Promise<Result>): Promise<Result>;
}

export function createTime(startMs: number): Time {
  const agenda = new Agenda();
  let now = startMs;
  let busy = 0;
  return {
    now: () => now,
    after: (ms, happen) => agenda.add(now + Math.max(0, ms), happen),
    cancel: (planned) => agenda.remove(planned),
    get planned() {
      return agenda.size;
    },
    async step() {
      if (agenda.isEmpty) return false;
      const event = agenda.take();
      now = event.at;
      await event.happen();
      do await quiet(); while (busy > 0);
      return true;
    },
    async during(work) {
      busy++;
      try {
        return await work;
      } finally {
        busy--;
      }
    },
  };
}

/** Every promise that is settled has had its say. Streams take a few turns of the loop. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const scope = new AsyncLocalStorage<{ time: Time; owner: Owner }>();

/** Runs `work` with simulated timers that die with their owner. */
export function inside<Result>(time: Time, owner: Owner, work: () => Result): Result {
  return scope.run({ time, owner }, work);
}

/** Happens in its owner: at once, when it wakes, or never. */
export function awake(time: Time, owner: Owner, happen: () => void): void {
  if (owner.dead) return;
  if (owner.asleepUntil > time.now()) {
    time.after(owner.asleepUntil - time.now(), () => awake(time, owner, happen));
  } else happen();
}

type Callback = (...args: unknown[]) => void;

class Timer {
  readonly time: Time;
  readonly planned: Planned;
  constructor(time: Time, planned: Planned) {
    this.time = time;
    this.planned = planned;
  }
}

/** Once a process, before the first invocation. */
export function installTime(): void {
  const realSetTimeout = globalThis.setTimeout;
  const realClearTimeout = globalThis.clearTimeout;
  const set = (happen: Callback, ms = 0, ...args: unknown[]): unknown => {
    const here = scope.getStore();
    if (here === undefined) return realSetTimeout(happen, ms, ...args);
    const { time, owner } = here;
    return new Timer(
      time,
      time.after(ms, () => awake(time, owner, () => happen(...args))),
    );
  };
  const clear = (timer: unknown): void => {
    if (timer instanceof Timer) timer.time.cancel(timer.planned);
    else realClearTimeout(timer as NodeJS.Timeout);
  };
  Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  const realTimeout = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (ms) => {
    if (scope.getStore() === undefined) return realTimeout(ms);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("the time is over", "TimeoutError")), ms);
    return controller.signal;
  };
  installCrypto();
}

interface SecretKey {
  secret: Uint8Array;
}
type Bytes = ArrayBufferView | ArrayBuffer;

function bytesOf(data: Bytes): Uint8Array<ArrayBuffer> {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

function hmac(key: SecretKey, data: Bytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHmac("sha256", key.secret).update(bytesOf(data)).digest());
}

/** SHA-256 and HMAC, all that the backend asks of Web Crypto, by the same library without its threads. */
function installCrypto(): void {
  Object.assign(Object.getPrototypeOf(crypto.subtle), {
    digest: (_name: string, data: Bytes) =>
      Promise.resolve(new Uint8Array(createHash("sha256").update(bytesOf(data)).digest()).buffer),
    importKey: (_format: string, secret: Bytes): Promise<SecretKey> =>
      Promise.resolve({ secret: Uint8Array.from(bytesOf(secret)) }),
    sign: (_name: string, key: SecretKey, data: Bytes) => Promise.resolve(hmac(key, data).buffer),
    verify: (_name: string, key: SecretKey, signature: Bytes, data: Bytes) => {
      const expected = hmac(key, data);
      const given = bytesOf(signature);
      return Promise.resolve(given.byteLength === expected.byteLength && timingSafeEqual(given, expected));
    },
  });
}
