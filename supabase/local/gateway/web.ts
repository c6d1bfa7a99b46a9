// Between Node's HTTP server and handlers that take a Request and answer a Response; bodies stream both ways.

import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export function toRequest(incoming: IncomingMessage, outgoing: ServerResponse, origin: string): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const entry of [value ?? []].flat()) headers.append(name, entry);
  }
  const left = new AbortController();
  outgoing.once("close", () => left.abort());
  const hasBody = incoming.method !== "GET" && incoming.method !== "HEAD";
  const body = hasBody ? Readable.toWeb(incoming) as ReadableStream<Uint8Array> : null;
  // Node needs `duplex` for a body that is a stream; TypeScript's own list of options does not have it.
  const init: RequestInit & { duplex: "half" } = {
    method: incoming.method ?? "GET",
    headers,
    body,
    duplex: "half",
    signal: left.signal,
  };
  return new Request(new URL(incoming.url ?? "/", origin), init);
}

export async function sendResponse(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
  if (response.body === null || outgoing.req.method === "HEAD") {
    await response.body?.cancel();
    outgoing.end();
    return;
  }
  // A client that leaves in the middle is its own affair.
  await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), outgoing).catch(
    () => {},
  );
}
