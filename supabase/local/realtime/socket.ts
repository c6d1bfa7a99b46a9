/**
 * One websocket: reads frames, one after the other, and keeps the channels it joined. A refused join holds the
 * socket's other frames back until its (delayed) answer is out; hosted's transport process waits just so.
 */

import { type WebSocket } from "ws";
import { admit } from "./admission.ts";
import { Channel, type ChannelClient } from "./channel.ts";
import { readJoin, withFilterId } from "./join.ts";
import { Refusal } from "./refusal.ts";
import { replay } from "./replay.ts";
import type { Service } from "./service.ts";
import { isApiKey } from "./token.ts";
import { decode, encode, type Incoming, type Version } from "./wire.ts";

export interface SocketOptions {
  service: Service;
  socket: WebSocket;
  version: Version;
  /** What the socket was opened with; channels that bring no token of their own use it. */
  token: string;
  /** The `x-…` headers of the handshake. */
  headers: Record<string, string>;
}

// A client that sends faster than we answer is read no further until we caught up.
const MAX_WAITING_FRAMES = 256;
const TOPIC_PREFIX = "realtime:";

export function serveSocket(options: SocketOptions): void {
  const { service, socket, version, headers } = options;
  const client: ChannelClient = {
    version,
    headers,
    send: (data) => {
      if (socket.readyState === socket.OPEN) socket.send(data);
    },
  };
  const channels = new Map<string, Channel>();
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();

  socket.on("message", (data: Buffer, isBinary) => {
    const frame = decode(version, data, isBinary);
    if (frame === null) return service.log("realtime: a frame that cannot be read was ignored");
    waiting += 1;
    if (waiting >= MAX_WAITING_FRAMES) socket.pause();
    last = last.then(() => handle({ ...options, client, channels }, frame))
      .catch((error) => service.log(`realtime: ${frame.event} failed: ${error}`))
      .finally(() => {
        waiting -= 1;
        if (socket.isPaused && waiting < MAX_WAITING_FRAMES) socket.resume();
      });
  });
  socket.on("error", (error) => service.log(`realtime: socket: ${error.message}`));
  socket.on("close", () => {
    service.users.delete(socket);
    for (const channel of [...channels.values()]) channel.end();
  });
}

interface Served extends SocketOptions {
  client: ChannelClient;
  channels: Map<string, Channel>;
}

async function handle(served: Served, frame: Incoming): Promise<void> {
  const { socket, channels } = served;
  if (socket.readyState !== socket.OPEN) return;
  const { topic, event } = frame;
  if (topic === "phoenix" && event === "heartbeat") return reply(served, frame, "ok", {});
  if (event === "phx_join") return await join(served, frame);
  const channel = channels.get(topic);
  if (event === "phx_leave") {
    reply(served, frame, "ok", {});
    if (channel !== undefined && isCurrent(channel, frame)) channel.close();
    return;
  }
  if (channel === undefined) return reply(served, frame, "error", { reason: "unmatched topic" });
  if (!isCurrent(channel, frame)) return; // meant for the channel that a second join replaced
  const answer = await channel.handle(frame);
  if (answer !== null) reply(served, frame, answer.status, answer.response);
}

function isCurrent(channel: Channel, frame: Incoming): boolean {
  return frame.joinRef === null || frame.joinRef === channel.joinRef;
}

async function join(served: Served, frame: Incoming): Promise<void> {
  const { service, channels, socket } = served;
  channels.get(frame.topic)?.close();
  try {
    await enter(served, frame);
  } catch (error) {
    const reason = error instanceof Refusal ? `${error.code}: ${error.message}` : "Unknown Error on Channel";
    // By its code alone: the reason names the topic, which a client chooses.
    service.log(`realtime: join refused: ${error instanceof Refusal ? error.code : error}`);
    await service.pause(service.errorDelayMs);
    if (socket.readyState === socket.OPEN) reply(served, frame, "error", { reason });
    if (error instanceof Refusal && error.code === "ClientJoinRateLimitReached") socket.close();
  }
}

/** Throws Refusal, in hosted's order: who is connected, who joins, how many channels. */
function admitByLimits({ service, channels, socket }: Served): void {
  const { limits, users, joins } = service;
  if (!users.has(socket) && users.size >= limits.connections) {
    throw new Refusal("ConnectionRateLimitReached", "Too many connected users");
  }
  if (joins.exceeded) throw new Refusal("ClientJoinRateLimitReached", "Too many joins per second");
  joins.count();
  if (channels.size >= limits.channelsPerConnection) {
    throw new Refusal("ChannelRateLimitReached", "Too many channels");
  }
}

async function enter(served: Served, frame: Incoming): Promise<void> {
  const { service, client, channels, headers, socket } = served;
  const { topic, joinRef } = frame;
  const name = topic.startsWith(TOPIC_PREFIX) ? topic.slice(TOPIC_PREFIX.length) : "";
  if (name === "") throw new Refusal("TopicNameRequired", "You must provide a topic name");
  admitByLimits(served);

  const request = readJoin(frame.body.form === "json" ? frame.body.payload : {});
  const { isPrivate, accessToken } = request;
  const token = accessToken === null || isApiKey(accessToken) ? served.token : accessToken;
  const presence = request.presence.enabled;
  const admission = await admit(service, { name, isPrivate, presence, token, headers });
  const wantsReplay = request.broadcast.replay !== null;
  if (wantsReplay && !admission.read.broadcast) {
    throw new Refusal("Unauthorized", `You do not have permissions to read from this Channel topic: ${name}`);
  }
  const replayed = wantsReplay ? await replay(service.sql, name, isPrivate, request.broadcast.replay) : [];
  if (socket.readyState !== socket.OPEN) return;

  const onClose = (closed: Channel) => {
    if (channels.get(topic) === closed) channels.delete(topic);
  };
  const channel = new Channel({ service, client, name, joinRef, request, admission, onClose });
  channels.set(topic, channel);
  service.users.add(socket);
  channel.open(replayed);
  reply(served, frame, "ok", { postgres_changes: request.postgresChanges.map(withFilterId) });
  void channel.settle(replayed).catch((error) => service.log(`realtime: ${error}`));
}

function reply(served: Served, frame: Incoming, status: "ok" | "error", response: unknown): void {
  const { joinRef, ref, topic } = frame;
  const payload = { status, response };
  served.client.send(encode(served.version, { joinRef, ref, topic, event: "phx_reply", payload }));
}
