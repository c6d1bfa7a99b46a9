// One request to a function's process and its answer back: bytes and headers as they are, nothing added.

import { type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";

export interface Forwarding {
  port: number;
  path: string;
  /** Hosted's limit until the first byte of the answer; then 504. */
  firstResponseMs: number;
}

// They concern one connection, and there are two.
const PER_CONNECTION = new Set(["connection", "keep-alive", "proxy-connection"]);
const PER_CONNECTION_ANSWER = new Set([...PER_CONNECTION, "transfer-encoding"]);

/** Resolves when the answer is over, however it ended. */
export function forward(incoming: IncomingMessage, outgoing: ServerResponse, to: Forwarding): Promise<void> {
  return new Promise((resolve) => {
    const upstream = httpRequest({
      host: "127.0.0.1",
      port: to.port,
      method: incoming.method,
      path: to.path,
      headers: kept(incoming.rawHeaders, PER_CONNECTION),
      agent: false,
    });
    const timer = setTimeout(() => {
      refuse(outgoing, 504, "IDLE_TIMEOUT", "The function did not answer in time");
      upstream.destroy();
    }, to.firstResponseMs);
    outgoing.once("close", () => {
      clearTimeout(timer);
      upstream.destroy(); // the client left, or all is sent
      resolve();
    });
    upstream.once("response", (answer) => {
      clearTimeout(timer);
      outgoing.writeHead(
        answer.statusCode ?? 502,
        answer.statusMessage,
        kept(answer.rawHeaders, PER_CONNECTION_ANSWER),
      );
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.once("error", () => outgoing.destroy()); // it died in mid-answer: the client must see a broken one
    });
    upstream.once("error", () => {
      if (outgoing.headersSent) outgoing.destroy();
      else refuse(outgoing, 500, "WORKER_ERROR", "Function exited due to an error (please check logs)");
    });
    incoming.pipe(upstream);
  });
}

/** Errors of the platform itself, in hosted's shape. */
export function refuse(outgoing: ServerResponse, status: number, code: string, message: string): void {
  if (outgoing.headersSent || outgoing.destroyed) return;
  const body = JSON.stringify({ code, message });
  outgoing.writeHead(status, { "content-type": "application/json", "sb-error-code": code });
  outgoing.end(body);
}

function kept(rawHeaders: string[], dropped: Set<string>): string[] {
  const headers: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const [name, value] = [rawHeaders[index], rawHeaders[index + 1]];
    if (name !== undefined && value !== undefined && !dropped.has(name.toLowerCase())) {
      headers.push(name, value);
    }
  }
  return headers;
}
