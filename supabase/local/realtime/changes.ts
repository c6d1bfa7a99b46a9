/**
 * Rows inserted into realtime.messages, after their commit and in commit order, over logical replication: a
 * temporary `pgoutput` slot, as hosted does it. Nothing is told twice and nothing is caught up: what is committed
 * while no slot exists is never broadcast.
 */

import { randomBytes } from "node:crypto";
import { Duplex } from "node:stream";
import postgres, { type Sql } from "postgres";
import type { Log } from "../log.ts";
import { PgoutputReader } from "./pgoutput.ts";

export interface DatabaseMessage {
  id: string;
  topic: string;
  event: string;
  isPrivate: boolean;
  encoding: "json" | "binary";
  bytes: Buffer;
}

export interface Changes {
  /** Whether rows committed now will be told. */
  streaming(): boolean;
  stop(): Promise<void>;
}

export interface ChangesOptions {
  adminUrl: string;
  onMessage: (message: DatabaseMessage) => void;
  log: Log;
}

const PUBLICATION = "supabase_realtime_messages_publication";
const SLOT_PREFIX = "supabase_realtime_messages_replication_slot_";
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;

const WAL_DATA = 0x77; // w
const KEEPALIVE = 0x6b; // k
const STATUS_UPDATE = 0x72; // r
const WAL_DATA_HEADER_BYTES = 25;
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

/**
 * Opens a slot and another one whenever it is lost. A slot waits for the transactions that are running when it is
 * made; until it streams nothing is told.
 */
export function followMessages(options: ChangesOptions): Changes {
  const stopped = Promise.withResolvers<void>();
  let stopping = false;
  let stream: MessageStream | null = null;
  let opening: Sql | null = null;

  const open = async (): Promise<MessageStream | null> => {
    for (let backoffMs = MIN_BACKOFF_MS; !stopping; backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)) {
      try {
        return await openStream(opening = replicationClient(options.adminUrl), options);
      } catch (error) {
        // A database that restarts refuses several times: told once.
        if (!stopping && backoffMs === MIN_BACKOFF_MS) {
          options.log(`realtime: no broadcasts from the database yet: ${error}`);
        }
      } finally {
        opening = null;
      }
      if (await pause(backoffMs, stopped.promise) === "stopped") return null;
    }
    return null;
  };
  const follow = async () => {
    for (;;) {
      stream = await open();
      // Stopped as it opened: who stops us may have looked for it too early.
      if (stopping) return await stream?.end();
      const lost = await stream?.closed;
      if (stopping) return;
      stream = null;
      options.log(
        `realtime: replication connection lost (${lost ?? "closed by the server"}); reconnecting, ` +
          "messages committed meanwhile are not broadcast",
      );
    }
  };
  const following = follow();

  return {
    streaming: () => stream !== null,
    stop: async () => {
      stopping = true;
      stopped.resolve();
      await opening?.end({ timeout: 0 }); // it may wait for somebody's transaction
      await stream?.end();
      await following;
    },
  };
}

async function pause(delayMs: number, stopped: Promise<void>): Promise<"elapsed" | "stopped"> {
  const elapsed = Promise.withResolvers<"elapsed">();
  const timer = setTimeout(() => elapsed.resolve("elapsed"), delayMs);
  const outcome = await Promise.race([elapsed.promise, stopped.then(() => "stopped" as const)]);
  clearTimeout(timer);
  return outcome;
}

interface MessageStream {
  /** Why it ended; null where the server just closed. */
  closed: Promise<string | null>;
  end(): Promise<void>;
}

async function openStream(sql: Sql, options: ChangesOptions): Promise<MessageStream> {
  const slot = SLOT_PREFIX + randomBytes(4).toString("hex");
  try {
    const [created] = await sql.unsafe<{ consistent_point: string }[]>(
      `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
    );
    const stream = await sql.unsafe(
      `START_REPLICATION SLOT ${slot} LOGICAL ${created?.consistent_point ?? "0/0"} ` +
        `(proto_version '1', publication_names '${PUBLICATION}')`,
    ).writable();
    if (!(stream instanceof Duplex)) throw new Error("replication did not start");
    return readMessages(sql, slot, stream, options);
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }
}

// One connection that lives as long as its stream; a new one is made after a loss, so nothing reconnects by itself.
function replicationClient(adminUrl: string): Sql {
  return postgres(adminUrl, {
    max: 1,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 5,
    onnotice: () => {},
    connection: { application_name: "realtime_replication_connection", replication: "database" },
  });
}

function readMessages(sql: Sql, slot: string, stream: Duplex, options: ChangesOptions): MessageStream {
  const reader = new PgoutputReader();
  const closed = Promise.withResolvers<string | null>();
  let failure: string | null = null;
  let ending = false;
  stream.on("data", (data: Buffer) => {
    if (data[0] === KEEPALIVE) {
      if (data[17] === 1) stream.write(statusUpdate(data.subarray(1, 9)));
      return;
    }
    if (data[0] !== WAL_DATA) return;
    const row = reader.read(data.subarray(WAL_DATA_HEADER_BYTES));
    const message = row === null ? null : toMessage(row.values, options.log);
    if (message !== null) options.onMessage(message);
  });
  stream.on("error", (error: Error) => failure = error.message);
  stream.on("close", () => {
    if (ending) closed.resolve(null);
    else void sql.end({ timeout: 0 }).then(() => closed.resolve(failure));
  });
  return {
    closed: closed.promise,
    end: async () => {
      if (ending || stream.destroyed) return;
      ending = true;
      stream.end();
      await closed.promise;
      // The slot would go with the session, but only some time after; whoever stops us may drop the database next.
      await sql.unsafe(`DROP_REPLICATION_SLOT ${slot} WAIT`).catch(() => {
        // the connection broke first, and took the slot along
      });
      await sql.end({ timeout: 1 });
    },
  };
}

// Everything up to `position` (8 bytes) is dealt with: written, flushed, applied.
function statusUpdate(position: Buffer): Buffer {
  const update = Buffer.alloc(34);
  update[0] = STATUS_UPDATE;
  for (const offset of [1, 9, 17]) position.copy(update, offset);
  update.writeBigInt64BE(BigInt(Date.now() - POSTGRES_EPOCH_MS) * 1000n, 25);
  return update;
}

// Hosted drops rows that lack one of these, with a log.
function toMessage(values: Map<string, string | null>, log: Log): DatabaseMessage | null {
  const [id, topic, event, isPrivate, payload, binary] = [
    "id",
    "topic",
    "event",
    "private",
    "payload",
    "binary_payload",
  ].map((column) => values.get(column) ?? null);
  if (!id || !topic || !event || !isPrivate || (payload === null && !binary)) {
    log(`realtime: message ${id ?? "without id"} dropped: it lacks a topic, event, private flag or payload`);
    return null;
  }
  const common = { id, topic, event, isPrivate: isPrivate === "t" };
  return payload === null
    ? { ...common, encoding: "binary", bytes: Buffer.from((binary ?? "").slice("\\x".length), "hex") }
    : { ...common, encoding: "json", bytes: Buffer.from(payload ?? "", "utf8") };
}
