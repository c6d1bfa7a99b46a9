/**
 * What the service has in the database only once it is needed: the first channel makes the partitions, which is waited
 * for, and starts replication, which is not. So a channel may be joined before its messages flow.
 */

import type { Sql } from "postgres";
import type { Log } from "../log.ts";
import { type Changes, type DatabaseMessage, followMessages } from "./changes.ts";
import { keepPartitions } from "./partitions.ts";
import { Refusal } from "./refusal.ts";

export interface Waking {
  /** May be called again. Throws Refusal; then the next call tries again. */
  wake(): Promise<void>;
  /** Whether messages committed now will be told. */
  streaming(): boolean;
  stop(): Promise<void>;
}

export interface WakingOptions {
  sql: Sql;
  adminUrl: string;
  onMessage: (message: DatabaseMessage) => void;
  log: Log;
}

interface Awake {
  partitions: { stop(): void };
  changes: Changes;
}

export function createWaking({ sql, adminUrl, onMessage, log }: WakingOptions): Waking {
  let waking: Promise<Awake> | null = null;
  let awake: Awake | null = null;
  let stopped = false;

  const start = async (): Promise<Awake> => {
    const partitions = await keepPartitions(sql, log);
    return awake = { partitions, changes: followMessages({ adminUrl, onMessage, log }) };
  };
  return {
    wake: async () => {
      // A join that is under way when everything stops would leave a slot behind.
      if (stopped) throw unreachable("stopped");
      const mine = waking ??= start();
      await mine.catch((cause) => {
        if (waking === mine) waking = null;
        throw unreachable(cause);
      });
    },
    streaming: () => awake?.changes.streaming() ?? false,
    stop: async () => {
      stopped = true;
      // One that failed has told its caller, and left nothing behind.
      const started = await waking?.catch(() => null);
      started?.partitions.stop();
      await started?.changes.stop();
    },
  };
}

function unreachable(cause: unknown): Refusal {
  const message = "Realtime was unable to connect to the project database";
  return new Refusal("UnableToConnectToProject", message, cause);
}
