// The stand-in's HTTP server: API, outputs and uploads, and the control endpoint for tests.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { serveControl } from "./control.ts";
import { putUpload, serveOutput, serveUpload } from "./routes/media.ts";
import { serveApi } from "./routes/mod.ts";
import type { Reply } from "./routes/reply.ts";
import type { World } from "./world.ts";

const apiPrefix = "/api/v3/";

export async function listen(world: World, port: number): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
    answer(world, incoming, outgoing).catch((error: unknown) =>
      outgoing.destroy(error instanceof Error ? error : undefined)
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(world: World, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const request = toRequest(world, incoming);
  const reply = await route(world, request);
  if (reply instanceof Response) {
    outgoing.writeHead(reply.status, Object.fromEntries(reply.headers));
    outgoing.end(new Uint8Array(await reply.arrayBuffer()));
    return;
  }
  if (reply.cut === "half") await writeHalf(reply.response, outgoing);
  incoming.socket.destroy();
}

/** The head promises the whole length. */
async function writeHalf(response: Response, outgoing: ServerResponse): Promise<void> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const headers = { ...Object.fromEntries(response.headers), "content-length": String(bytes.byteLength) };
  outgoing.writeHead(response.status, headers);
  await new Promise<void>((resolve) => {
    outgoing.write(bytes.subarray(0, bytes.byteLength / 2), () => resolve());
  });
}

function toRequest(world: World, incoming: IncomingMessage): Request {
  const method = incoming.method ?? "GET";
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === "string") headers.set(name, value);
  }
  const hasBody = method !== "GET" && method !== "HEAD";
  const body = hasBody ? { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" as const } : {};
  return new Request(new URL(incoming.url ?? "/", world.origin), { method, headers, ...body });
}

function route(world: World, request: Request): Promise<Reply> | Reply {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith(apiPrefix)) return serveApi(world, request, pathname.slice(apiPrefix.length));
  if (pathname.startsWith("/output/")) return serveOutput(world, pathname);
  if (pathname.startsWith("/upload/")) {
    const name = pathname.slice("/upload/".length);
    return request.method === "PUT" ? putUpload(world, request, name) : serveUpload(world, name);
  }
  if (pathname === "/control" || pathname.startsWith("/control/")) {
    return serveControl(world, request, pathname);
  }
  return new Response("Not found", { status: 404 });
}
