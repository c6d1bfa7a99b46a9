// All commands, weighted.

import { cancels, grants, replays, retries, starts } from "./app-commands.ts";
import { accounts, minutes, prices, providers, settings } from "./operator-commands.ts";
import { claims, completes, leases, sends, settles, stores, submits } from "./worker-commands.ts";

/** Weights by repetition: a job must get somewhere before the clock and the settings end it. */
const often = [starts, claims, submits, settles, leases, stores];
const sometimes = [completes, cancels, minutes, sends];
const seldom = [replays, retries, grants, settings, providers, accounts, prices];
export const anyCommand = [...often, ...often, ...often, ...often, ...sometimes, ...sometimes, ...seldom];
