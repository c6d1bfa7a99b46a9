// The topic admission: what it costs to take a job in, to give it its turn and to keep the caps.

import type { Part } from "../part.ts";
import { buffers } from "./buffers.ts";
import { caps } from "./caps.ts";
import { cost } from "./cost.ts";
import { fairness } from "./fairness.ts";
import { feed } from "./feed.ts";
import { lifecycle } from "./lifecycle.ts";

/** The longest last: it is the one to be left out where the time does not suffice. */
export const admission: readonly Part[] = [lifecycle, fairness, caps, cost, feed, buffers];
