// What a hosted worker may use, as the defaults here, and who is charged for its CPU time.

export type WorkerPolicy = "per_worker" | "oneshot";

export interface WorkerLimits {
  /**
   * per_worker: one worker serves many requests, and is ended when all is answered and all registered work is done but
   * something else goes on. oneshot: it is ended then in any case, so nothing outlives an answer but `waitUntil`.
   */
  workerPolicy: WorkerPolicy;
  /** Lifetime: from half of it on no new requests, at its end killed, at work or not. */
  wallClockMs: number;
  /** CPU time of one request and its background work: above it no new requests for this worker. */
  cpuSoftMs: number;
  /** Above it the worker is killed, with all that runs in it. */
  cpuHardMs: number;
  /** Of V8's heap, and of what the process has grown by since it listened: above it killed, from half of it on no new requests. */
  memoryBytes: number;
  /** Until the first byte of an answer; then 504. */
  firstResponseMs: number;
}

export const hostedLimits: WorkerLimits = {
  workerPolicy: "per_worker",
  wallClockMs: 400_000, // paid plans
  cpuSoftMs: 1000,
  cpuHardMs: 2000,
  memoryBytes: 256 * 1024 * 1024,
  firstResponseMs: 150_000,
};

interface Account {
  spentMs: number;
}

export interface Budget {
  /** A request begins; call the answer once it is answered. */
  enter(): () => void;
  readonly running: number;
  /** While on, who leaves goes on working in the background; off: all of that is done. */
  background(on: boolean): void;
  /** Shares the CPU time evenly among all that is open: a process does not say who used it. Answers the largest account. */
  charge(cpuMs: number): number;
}

export function createBudget(): Budget {
  const running = new Set<Account>();
  const background = new Set<Account>();
  let inBackground = false;
  return {
    enter() {
      const account: Account = { spentMs: 0 };
      running.add(account);
      return () => {
        if (running.delete(account) && inBackground) background.add(account);
      };
    },
    get running() {
      return running.size;
    },
    background(on) {
      inBackground = on;
      if (!on) background.clear();
      else if (running.size === 0) background.add({ spentMs: 0 });
    },
    charge(cpuMs) {
      const open = [...running, ...background];
      for (const account of open) account.spentMs += cpuMs / open.length;
      return Math.max(0, ...open.map((account) => account.spentMs));
    },
  };
}
