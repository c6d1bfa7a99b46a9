// A bare websocket to a Realtime, for what the real client never sends and never shows.

import { once } from "node:events";
import { type RawData, WebSocket } from "ws";
import { publishableKey, type Served } from "./realtime-host.ts";

export interface BareSocket {
  /** Text frames, parsed. */
  texts: unknown[];
  binaries: Buffer[];
  isClosed(): boolean;
  /** Bytes as a binary frame, text as it is, anything else as JSON. */
  send(frame: Buffer | string | object): void;
  close(): void;
}

export interface Handshake {
  vsn?: string;
  key?: string;
}

export async function openSocket(host: Served, handshake: Handshake = {}): Promise<BareSocket> {
  const socket = new WebSocket(address(host, handshake));
  const texts: unknown[] = [];
  const binaries: Buffer[] = [];
  socket.on("message", (data: RawData, isBinary) => {
    const bytes = Buffer.isBuffer(data) ? data : Buffer.from(String(data));
    if (isBinary) binaries.push(bytes);
    else texts.push(JSON.parse(bytes.toString("utf8")));
  });
  await once(socket, "open");
  return {
    texts,
    binaries,
    isClosed: () => socket.readyState === socket.CLOSED,
    send: (frame) =>
      socket.send(Buffer.isBuffer(frame) || typeof frame === "string" ? frame : JSON.stringify(frame)),
    close: () => socket.terminate(),
  };
}

/** The answer of a handshake that is refused over HTTP. */
export async function refusedHandshake(
  host: Served,
  handshake: Handshake = {},
): Promise<{ status: number; body: unknown }> {
  const socket = new WebSocket(address(host, handshake));
  const [, response] = await once(socket, "unexpected-response");
  const body = JSON.parse((await response.toArray()).join(""));
  socket.on("error", () => {}); // ws tells the refusal once more
  socket.terminate();
  return { status: response.statusCode, body };
}

function address(host: Served, { vsn = "2.0.0", key = publishableKey }: Handshake): string {
  return `${host.url.replace("http", "ws")}/realtime/v1/websocket?vsn=${vsn}&apikey=${key}`;
}
