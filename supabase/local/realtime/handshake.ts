// Reads the request that opens a socket, and refuses it over plain HTTP with `{"error": …}`.

import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { Refusal } from "./refusal.ts";
import type { Service } from "./service.ts";
import { type Version, versions } from "./wire.ts";

export const SOCKET_PATH = "/realtime/v1/websocket";

export interface Handshake {
  version: Version;
  token: string;
  headers: Record<string, string>;
}

export interface HandshakeRefused {
  status: 401 | 403 | 404 | 429;
  error: string;
}

export async function readHandshake(
  request: IncomingMessage,
  { tokens, limits, users, joins }: Service,
): Promise<Handshake | HandshakeRefused> {
  const url = new URL(request.url ?? "/", "ws://localhost");
  if (url.pathname !== SOCKET_PATH) return { status: 404, error: "Not found" };
  const asked = url.searchParams.get("vsn") ?? "1.0.0";
  const version = versions.find((known) => known === asked);
  if (version === undefined) return { status: 403, error: `Unsupported protocol version ${asked}` };
  const headers = privateHeaders(request);
  const token = headers["x-api-key"] ?? url.searchParams.get("apikey");
  if (!token) return { status: 401, error: "Missing API key" };
  try {
    await tokens.read(token);
    if (users.size >= limits.connections) return { status: 429, error: "Too many connected users" };
    if (joins.exceeded) return { status: 429, error: "Too many joins per second" };
    return { version, token, headers };
  } catch (error) {
    if (error instanceof Refusal) return { status: 401, error: error.message };
    throw error;
  }
}

function privateHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith("x-")) headers[name] = String(value);
  }
  return headers;
}

export function refuse(socket: Duplex, { status, error }: { status: number; error: string }): void {
  const body = JSON.stringify({ error });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
