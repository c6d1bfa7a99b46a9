// What every channel and request of one Realtime works with.

import type { Sql } from "postgres";
import type { Log } from "../log.ts";
import type { Limits } from "./limits.ts";
import type { Presences } from "./presence.ts";
import type { Rate } from "./rate.ts";
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
  /**
   * Makes the partitions, and starts to let broadcasts from the database flow: hosted does it when the first client
   * joins a channel. Throws Refusal.
   */
  wake(): Promise<void>;
  /** Whether broadcasts from the database are flowing. */
  streaming(): boolean;
  limits: Limits;
  messages: Rate;
  joins: Rate;
  /** Sockets that have joined a channel. */
  users: Set<object>;
}
