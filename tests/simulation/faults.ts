// What can go wrong, how often it is drawn, and how often it changed what somebody saw.

import type { Random } from "./random.ts";

/** Chance at each occasion, in a seed of medium weather. */
export const faultChances = {
  // the machine
  "function killed": 0.03,
  "function stalled": 0.003,
  "all functions killed": 0,
  "clock skew": 0,
  // the kernel's calls
  "kernel: cut before it arrived": 0.008,
  "kernel: answer lost after commit": 0.012,
  "kernel: slow": 0.004,
  // the submit
  "submit: not sent": 0.02,
  "submit: cut": 0.02,
  "submit: answer lost": 0.05,
  "submit: answer after the deadline": 0.03,
  "submit: answer after the lease": 0.02,
  "submit: asleep when it is answered": 0.03,
  "submit: 429": 0.04,
  "submit: 5xx": 0.03,
  "submit: HTML": 0.02,
  "submit: 200 with an error inside": 0.02,
  "submit: truncated JSON": 0.02,
  "submit: moderation": 0.03,
  "submit: bad input": 0.015,
  "submit: no credits": 0.014,
  // the callback
  "callback: lost": 0.15,
  "callback: late": 0.12,
  "callback: twice": 0.08,
  "callback: reordered": 0.06,
  "callback: before the submit's answer": 0.06,
  "callback: after cancel": 0,
  "callback: for an earlier attempt": 0,
  "callback: badly signed": 0.06,
  // the provider
  "provider: forgets the task": 0.02,
  "provider: failed": 0.05,
  "provider: cancelled": 0.015,
  "provider: timeout": 0.015,
  "provider: deleted": 0.015,
  "provider: no outputs": 0.015,
  "provider: a word never documented": 0.05,
  "provider: very slow": 0.02,
  "provider: poll fails": 0.08,
  "provider: poll limited": 0.04,
  "provider: list page fails": 0.08,
  "provider: lists a stranger's prediction": 0.5,
  // the outputs
  "output: expired": 0.02,
  "output: slow": 0.015,
  "output: cut": 0.03,
  "output: too big": 0.01,
  "output: wrong type": 0.015,
  "output: 5xx": 0.03,
  // storage
  "storage: 5xx": 0.03,
  "storage: quota": 0.02,
  "storage: slow": 0.025,
  "storage: short object": 0.02,
  "storage: answer lost": 0.02,
  "thumbnail: the decoder kills its process": 0.1,
  // the sweep
  "sweep: skipped": 0.1,
  "sweep: doubled": 0.08,
  "sweep: knock lost": 0.08,
  // people
  "app: answer lost": 0.06,
  "app: double tap": 0.08,
  "app: cancel": 0.2,
  "app: delete": 0.2,
  "app: retry": 0.5,
  "app: reference image removed": 0.2,
  "app: cap hit": 0,
  "app: user deleted": 0,
  "operator: settings changed": 0,
} satisfies Record<string, number>;

export type Fault = keyof typeof faultChances;
export const faultNames = Object.keys(faultChances) as Fault[];

export interface Faults {
  /** Draws. Whoever draws true calls `seen` once the fault has changed what somebody saw. */
  strikes(fault: Fault): boolean;
  /** The first of these that strikes, if any. */
  oneOf(...faults: Fault[]): Fault | null;
  seen(fault: Fault): void;
  readonly counts: Map<Fault, number>;
}

/** `weather` multiplies every chance: 0 is a perfect day. `off` never strike. */
export function createFaults(random: Random, weather: number, off: ReadonlySet<Fault> = new Set()): Faults {
  const counts = new Map<Fault, number>();
  const strikes = (fault: Fault) => {
    // Drawn in any case, so that one fault taken out leaves the others where they were.
    const drawn = random.unit();
    return !off.has(fault) && drawn < Math.min(0.9, faultChances[fault] * weather);
  };
  return {
    counts,
    strikes,
    oneOf: (...faults) => faults.find(strikes) ?? null,
    seen: (fault) => void counts.set(fault, (counts.get(fault) ?? 0) + 1),
  };
}
