// Puts the parts together and opens sockets; owns what has to be closed again.

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import postgres from "postgres";
import { WebSocketServer } from "ws";
import { type Log, silent } from "../log.ts";
import type { DatabaseMessage } from "./changes.ts";
import { readHandshake, refuse } from "./handshake.ts";
import { freePlan, type Limits, maxBroadcastBytes } from "./limits.ts";
import { Presences } from "./presence.ts";
import { Rate } from "./rate.ts";
import { handleBroadcastRequest } from "./rest.ts";
import type { Service } from "./service.ts";
import { serveSocket } from "./socket.ts";
import { createStopping, type Stopping } from "./stopping.ts";
import { type ApiKeys, createTokenReader, type VerifyToken } from "./token.ts";
import { Topics } from "./topics.ts";
import { createWaking } from "./waking.ts";

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
  /** Default: the Free plan's. */
  limits?: Partial<Limits>;
  /** How long hosted counts before it looks at a rate. Default 5000. */
  rateBucketMs?: number;
  log?: Log;
}

const DEFAULT_ERROR_DELAY_MS = 5_000;
const MAX_FRAME_BYTES = 5_000_000;
const POLICY_TIMEOUT_MS = 5_000;

/**
 * Asleep until somebody joins a channel, as on hosted: until then there is neither a partition nor a replication slot,
 * and what the database sends is lost. Fails where the platform SQL is not there.
 */
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
  const limits = { ...freePlan, ...options.limits };
  const rateOptions = { bucketMs: options.rateBucketMs };
  const messages = new Rate(limits.messagesPerSecond, rateOptions);
  const topics = new Topics(log, messages);
  const stopping = createStopping();
  try {
    await sql`select 'realtime.messages'::regclass`;
    const waking = createWaking({
      sql,
      adminUrl: options.adminUrl,
      onMessage: (message) => tell(service, message),
      log,
    });
    stopping.add(() => waking.stop());
    const service: Service = {
      sql,
      tokens: createTokenReader(options),
      topics,
      presences: new Presences(),
      log,
      errorDelayMs: options.errorDelayMs ?? DEFAULT_ERROR_DELAY_MS,
      pause: stopping.pause,
      wake: waking.wake,
      streaming: waking.streaming,
      limits,
      messages,
      joins: new Rate(limits.joinsPerSecond, rateOptions),
      users: new Set(),
    };
    return serve(service, stopping);
  } catch (error) {
    await stopping.run();
    await sql.end({ timeout: 1 });
    throw error;
  }
}

function tell({ topics, limits, log }: Service, message: DatabaseMessage): void {
  const { id, topic, event, isPrivate, encoding, bytes } = message;
  const maxBytes = maxBroadcastBytes(limits);
  if (bytes.length > maxBytes) {
    return log(`realtime: message ${id} dropped: ${bytes.length} bytes are over ${maxBytes}`);
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
    const handshake = await readHandshake(request, service);
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
