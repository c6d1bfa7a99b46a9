// Whoever takes part in a race over jobs' whole lives, on a plot of its own.

import type { Window } from "../window.ts";

export interface Contestant {
  name: string;
  run(durationMs: number): Promise<Window>;
  /** How many calls it has sent, if it counts them itself. */
  callsMade?(): number;
  /** Ends its connections; the plot stays. */
  leave(): Promise<void>;
}

/** As many jobs are asked for in one claim. */
export const batchSize = 10;
