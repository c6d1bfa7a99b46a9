// One request to a function's process and its answer back: bytes and headers as they are, nothing added.

import { type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import type { Log } from "../log.ts";

export interface Forwarding {
  port: number;
  path: string;
  /** Hosted's limit until the first byte of the answer; then 504. */
  firstResponseMs: number;
  /** For a connection that broke before an answer: a limit's name, or null if the function itself failed. */
  overrun(): Promise<string | null>;
  log: Log;
}

// They concern one connection, and there are two. A function sees the worker's own host, not the public one.
const PER_CONNECTION = new Set(["connection", "keep-alive", "proxy-connection"]);
const PER_CONNECTION_REQUEST = new Set([...PER_CONNECTION, "host"]);
const PER_CONNECTION_ANSWER = new Set([...PER_CONNECTION, "transfer-encoding"]);

const FAILED = "Function exited due to an error (please check logs)";
const OVERRUN = "Worker failed to respond due to a resource limit (please check logs)";

/** Resolves when the answer is over, however it ended. */
export function forward(incoming: IncomingMessage, outgoing: ServerResponse, to: Forwarding): Promise<void> {
  return new Promise((resolve) => {
    const upstream = httpRequest({
      host: "127.0.0.1",
      port: to.port,
      method: incoming.method,
      path: to.path,
      headers: ["host", `127.0.0.1:${to.port}`, ...kept(incoming.rawHeaders, PER_CONNECTION_REQUEST)],
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
      if (!incoming.complete) {
        // On hosted such a request sometimes succeeds, sometimes hangs and sometimes breaks; here it always breaks.
        to.log("answered before it had read the request's body: the connection is broken off");
        return outgoing.destroy();
      }
      const status = answer.statusCode ?? 502;
      outgoing.writeHead(status, answer.statusMessage, answerHeaders(incoming, answer, status));
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.once("error", () => outgoing.destroy()); // it died in mid-answer: the client must see a broken one
    });
    upstream.once("error", () => {
      clearTimeout(timer);
      if (outgoing.writableEnded) return; // we broke it off ourselves
      if (outgoing.headersSent || outgoing.destroyed) return outgoing.destroy();
      void to.overrun().then((limit) => {
        if (limit === null) refuse(outgoing, 500, "WORKER_ERROR", FAILED);
        else refuse(outgoing, 546, "WORKER_LIMIT", OVERRUN);
      });
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

/** As on hosted: a function's own failure is marked, and no page is served from a project's address. */
function answerHeaders(incoming: IncomingMessage, answer: IncomingMessage, status: number): string[] {
  const headers = kept(answer.rawHeaders, PER_CONNECTION_ANSWER);
  if (status >= 500) headers.push("sb-error-code", "EDGE_FUNCTION_ERROR");
  if (incoming.method !== "GET") return headers;
  return headers.map((text, index) =>
    index % 2 === 1 && headers[index - 1]?.toLowerCase() === "content-type"
      ? text.replace(/^text\/html/i, "text/plain")
      : text
  );
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
