// The stack's one address on 127.0.0.1: /rest/v1, /auth/v1, /storage/v1, /functions/v1, /realtime/v1, and pages.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Log } from "../log.ts";
import { listen } from "../ports.ts";
import { openAccessLog } from "./access-log.ts";
import { preflight, withCors } from "./cors.ts";
import { sendResponse, toRequest } from "./web.ts";

export { type Auth, startAuth } from "./auth/mod.ts";
export { type Callers, createCallers } from "./caller.ts";
export { type Rest, startRest } from "./rest.ts";
export { startStorage, type Storage } from "./storage/mod.ts";
export { createTokens, InvalidToken, type JwtClaims, type Tokens } from "./tokens.ts";

type Handler = { handle(request: Request): Promise<Response> };

export interface Services {
  rest: Handler;
  auth: Handler;
  storage: Handler;
  functions: { handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> };
  realtime: {
    handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
    handleHttp(request: Request): Promise<Response>;
  };
  /** `/status` and `/_status`. */
  status: Handler;
  /** `/`, and what that page needs. */
  playground: Handler;
}

export interface Gateway {
  readonly url: string;
  readonly port: number;
  /** Until this is called, everything answers 503. */
  serve(services: Services): void;
  stop(): Promise<void>;
}

/** Takes the port first: tokens and functions need to know the address before the services start. */
export async function openGateway(
  options: { port: number; log: Log; accessLogFile?: string },
): Promise<Gateway> {
  const { log } = options;
  const accessLog = options.accessLogFile === undefined ? null : openAccessLog(options.accessLogFile);
  let services: Services | null = null;
  const server = createServer((incoming, outgoing) => {
    accessLog?.request(incoming, outgoing);
    if (!services) {
      outgoing.writeHead(503, { "content-type": "application/json", "retry-after": "1" });
      outgoing.end(JSON.stringify({ ready: false, message: "The stack is starting" }));
      return;
    }
    answer(services, incoming, outgoing, url).catch((error: unknown) => {
      log(`gateway: ${incoming.method} failed: ${error instanceof Error ? error.message : String(error)}`);
      if (outgoing.headersSent) outgoing.destroy();
      else {outgoing.writeHead(500, { "content-type": "application/json" }).end(
          '{"message":"Internal Server Error"}',
        );}
    });
  });
  /** No longer the server's own: it would wait for each of them. */
  const upgraded = new Set<Duplex>();
  server.on("upgrade", (request, socket, head) => {
    accessLog?.upgrade(request, socket);
    upgraded.add(socket);
    socket.once("close", () => upgraded.delete(socket));
    if (services && request.url?.startsWith("/realtime/v1/")) {
      services.realtime.handleUpgrade(request, socket, head);
    } else {
      socket.on("error", () => {}); // it may leave before it is answered
      // What it goes on sending is read, or its end would never be seen.
      socket.resume().end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    }
  });
  server.requestTimeout = 0; // uploads and long answers are limited by the services, as on hosted
  const port = await listen(server, options.port, log);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    serve(started) {
      services = started;
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
      await closed;
      await accessLog?.stop();
    },
  };
}

async function answer(
  services: Services,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  origin: string,
): Promise<void> {
  const path = incoming.url ?? "/";
  if (path.startsWith("/functions/v1/")) return await services.functions.handle(incoming, outgoing);
  const request = toRequest(incoming, outgoing, origin);
  const api = (["rest", "auth", "storage"] as const).find((name) => path.startsWith(`/${name}/v1/`));
  const isRealtime = path.startsWith("/realtime/v1/");
  if ((api || isRealtime) && request.method === "OPTIONS") {
    return await sendResponse(preflight(request), outgoing);
  }
  if (api) return await sendResponse(withCors(await services[api].handle(request)), outgoing);
  if (isRealtime) return await sendResponse(withCors(await services.realtime.handleHttp(request)), outgoing);
  const page = /^\/_?status(?:\?|$)/.test(path) ? services.status : services.playground;
  await sendResponse(await page.handle(request), outgoing);
}
