// Puts the parts together and opens sockets; owns what has to be closed again.

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import postgres from "postgres";
import { WebSocketServer } from "ws";
import { type Log, silent } from "../log.ts";
import { type DatabaseMessage, followMessages } from "./changes.ts";
import { readHandshake, refuse } from "./handshake.ts";
import { keepPartitions } from "./partitions.ts";
import { Presences } from "./presence.ts";
import { handleBroadcastRequest } from "./rest.ts";
import { MAX_BROADCAST_BYTES, type Service } from "./service.ts";
import { serveSocket } from "./socket.ts";
import { createStopping, type Stopping } from "./stopping.ts";
import { type ApiKeys, createTokenReader, type VerifyToken } from "./token.ts";
import { Topics } from "./topics.ts";

export interface Realtime {
  /** For requests whose path starts with /realtime/v1 and that ask to become a websocket. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** For the other requests whose path starts with /realtime/v1. */
  handleHttp(request: Request): Promise<Response>;
  /** Closes every socket and leaves no replication slot behind. May be called twice. */
  stop(): Promise<void>;
}

export interface RealtimeOptions {
  /** Superuser, with the database whose realtime.messages is followed. */
  adminUrl: string;
  /** Checks a user's JWT and answers its claims; throws when it is not good. */
  verifyToken: VerifyToken;
  /** Stand for the roles anon and service_role. */
  apiKeys: ApiKeys;
  /** How long a refused join or handshake waits for its answer. Default 5000, as hosted. */
  errorDelayMs?: number;
  log?: Log;
}

const DEFAULT_ERROR_DELAY_MS = 5_000;
const MAX_FRAME_BYTES = 5_000_000;
const POLICY_TIMEOUT_MS = 5_000;

/** Fails where the platform SQL is not there: realtime.messages and its publication. */
export async function startRealtime(options: RealtimeOptions): Promise<Realtime> {
  const log = options.log ?? silent;
  const sql = postgres(options.adminUrl, {
    max: 5,
    onnotice: () => {},
    connection: {
      application_name: "realtime",
      TimeZone: "UTC",
      statement_timeout: POLICY_TIMEOUT_MS,
    },
  });
  const topics = new Topics(log);
  const stopping = createStopping();
  try {
    const partitions = await keepPartitions(sql, log);
    stopping.add(() => partitions.stop());
    const onMessage = (message: DatabaseMessage) => tell(topics, message, log);
    const changes = await followMessages({ adminUrl: options.adminUrl, onMessage, log });
    stopping.add(() => changes.stop());
    const service: Service = {
      sql,
      tokens: createTokenReader(options),
      topics,
      presences: new Presences(),
      log,
      errorDelayMs: options.errorDelayMs ?? DEFAULT_ERROR_DELAY_MS,
      pause: stopping.pause,
      streaming: () => changes.streaming(),
    };
    return serve(service, stopping);
  } catch (error) {
    await stopping.run();
    await sql.end({ timeout: 1 });
    throw error;
  }
}

function tell(topics: Topics, message: DatabaseMessage, log: Log): void {
  const { id, topic, event, isPrivate, encoding, bytes } = message;
  if (bytes.length > MAX_BROADCAST_BYTES) {
    return log(`realtime: message ${id} dropped: ${bytes.length} bytes are over ${MAX_BROADCAST_BYTES}`);
  }
  const delivery = { form: "user" as const, event, encoding, bytes, meta: { id } };
  topics.publish(topic, isPrivate, { delivery, id, kind: "broadcast" });
}

function serve(service: Service, stopping: Stopping): Realtime {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
  });
  const opening = new Set<Duplex>();

  const open = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const handshake = await readHandshake(request, service.tokens);
    if ("error" in handshake) {
      service.log(`realtime: handshake refused: ${handshake.error}`);
      await service.pause(service.errorDelayMs);
      return refuse(socket, handshake);
    }
    if (socket.destroyed) return;
    server.handleUpgrade(request, socket, head, (webSocket) => {
      serveSocket({ service, socket: webSocket, ...handshake });
    });
  };

  let stopped: Promise<void> | undefined;
  const stop = async () => {
    for (const socket of opening) socket.destroy();
    for (const client of server.clients) client.terminate();
    server.close();
    await stopping.run();
    await service.sql.end({ timeout: 1 });
  };

  return {
    handleUpgrade: (request, socket, head) => {
      opening.add(socket);
      // Stays for the socket's life: without a listener a reset while we refuse would end the process.
      socket.on("error", (error) => service.log(`realtime: connection: ${error.message}`));
      void open(request, socket, head)
        .catch((error) => {
          service.log(`realtime: handshake failed: ${error}`);
          refuse(socket, { status: 500, error: "Something went wrong" });
        })
        .finally(() => opening.delete(socket));
    },
    handleHttp: (request) => handleBroadcastRequest(service, request),
    stop: () => stopped ??= stop(),
  };
}
