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
  const body = hasBody ? bodyOf(incoming) : null;
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

/**
 * Joins what has come so far into one chunk, which `Readable.toWeb` does not: a chunked upload would come in twice as
 * many as one of known length, and here each costs more than its bytes do.
 */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Buffer> = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel() {
      // Not waited for, since a slow client may send nothing for long; broken or not, nobody reads it any more.
      chunks.return?.().catch(() => {});
      // What is left still has to come, for the answer to get through.
      incoming.resume();
    },
  }, { highWaterMark: 0 });
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
