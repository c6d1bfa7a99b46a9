// What every channel and request of one Realtime works with.

import type { Sql } from "postgres";
import type { Log } from "../log.ts";
import type { Presences } from "./presence.ts";
import type { TokenReader } from "./token.ts";
import type { Topics } from "./topics.ts";

export interface Service {
  /** The privileged connection: it inserts probe rows and takes on other roles. */
  sql: Sql;
  tokens: TokenReader;
  topics: Topics;
  presences: Presences;
  log: Log;
  /** How long a refused join or handshake waits for its answer. */
  errorDelayMs: number;
  /** Resolves early, with false, when the service stops. */
  pause(delayMs: number): Promise<boolean>;
  /** Whether broadcasts from the database are flowing. */
  streaming(): boolean;
}

/** The Free plan's 256 kB and hosted's padding: what passes here passes on every plan. */
export const MAX_BROADCAST_BYTES = 256 * 1000 + 500;
