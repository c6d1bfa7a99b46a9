// The stand-in's HTTP server: API, outputs and uploads, and the control endpoint for tests.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { Settings } from "./control.ts";
import { readJson, type Reply, serveApi } from "./routes.ts";
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
  if (reply === "cut") {
    incoming.socket.destroy();
    return;
  }
  outgoing.writeHead(reply.status, Object.fromEntries(reply.headers));
  outgoing.end(new Uint8Array(await reply.arrayBuffer()));
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
  if (pathname.startsWith("/upload/")) return serveUpload(world, request, pathname.slice("/upload/".length));
  if (pathname === "/control" || pathname.startsWith("/control/")) {
    return serveControl(world, request, pathname);
  }
  return new Response("Not found", { status: 404 });
}

function serveOutput(world: World, path: string): Response {
  const task = world.tasks.get(/^\/output\/([0-9a-f]{32})-/.exec(path)?.[1] ?? "");
  const output = task?.outputs.find((one) => one.path === path);
  if (output === undefined) return new Response("Not found", { status: 404 });
  return file(output);
}

async function serveUpload(world: World, request: Request, name: string): Promise<Response> {
  const upload = world.uploads.get(name);
  if (request.method === "PUT") {
    // Only what was announced, and once.
    if (upload !== null) return new Response("Not found", { status: 404 });
    const contentType = request.headers.get("content-type") ?? "application/octet-stream";
    world.uploads.set(name, { bytes: new Uint8Array(await request.arrayBuffer()), contentType });
    return new Response(null, { status: 200 });
  }
  return upload ? file(upload) : new Response("Not found", { status: 404 });
}

function file({ bytes, contentType }: { bytes: Uint8Array; contentType: string }): Response {
  return new Response(new Uint8Array(bytes), {
    headers: { "content-type": contentType, "content-length": String(bytes.byteLength) },
  });
}

async function serveControl(world: World, request: Request, path: string): Promise<Response> {
  if (request.method === "GET") return Response.json(journal(world));
  const body = await readJson(request) ?? {};
  if (path === "/control/reset") {
    world.reset();
    return Response.json(journal(world));
  }
  if (path === "/control/redeliver") {
    const task = world.tasks.get(String(body["id"]));
    if (task === undefined) return Response.json({ error: "no such task" }, { status: 404 });
    if (!world.redeliver(task)) return Response.json({ error: "no callback to repeat" }, { status: 409 });
    return Response.json({ redelivering: task.id });
  }
  const settings = Settings.partial().safeParse(body);
  if (!settings.success) return Response.json({ error: settings.error.issues }, { status: 400 });
  world.change(settings.data);
  return Response.json(journal(world));
}

/** What happened so far; no prompts. */
function journal(world: World) {
  return {
    settings: world.settings,
    webhookSecret: world.webhookSecret,
    balanceUsd: world.balanceUsd,
    predictions: [...world.tasks.values()].map(({ id, model, status, createdAtMs, outputs, callbacks }) => ({
      id,
      model: model.id,
      status,
      createdAt: new Date(createdAtMs).toISOString(),
      outputs: outputs.map(({ path, sha256 }) => ({ path, sha256 })),
      callbacks,
    })),
  };
}
