// A TCP server on 127.0.0.1 that misbehaves as told, below the level at which an HTTP library would help it behave.

import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export interface RawServer {
  url: string;
  /** Whole requests as received: head, blank line, body. */
  requests: string[];
  close(): Promise<void>;
}

/** `answer` is called once for each complete request, `greet` for each connection. */
export async function startRawServer(
  answer: (socket: Socket, request: string) => void,
  greet: (socket: Socket) => void = () => {},
): Promise<RawServer> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    greet(socket);
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      const length = completeLength(received);
      if (length === null) return;
      const request = received.slice(0, length);
      received = received.slice(length);
      requests.push(request);
      answer(socket, request);
    });
    // Resets are what some of these tests are about.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function completeLength(received: string): number | null {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = received.slice(0, end);
  if (/^transfer-encoding: *chunked/im.test(head)) {
    const close = received.indexOf("0\r\n\r\n", end);
    return close < 0 ? null : close + 5;
  }
  const length = end + 4 + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  return received.length < length ? null : length;
}

/** A whole answer; the length is that of `body` unless `headers` gives another. */
export function reply(status: number, body: string, headers: Record<string, string> = {}): string {
  const all = { "Content-Length": String(Buffer.byteLength(body)), "Connection": "close", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${status} Status\r\n${lines}\r\n${body}`;
}

/** The address of a port on which nobody listens: it was ours a moment ago. */
export async function deafUrl(): Promise<string> {
  const server = await startRawServer(() => {});
  await server.close();
  return server.url;
}
