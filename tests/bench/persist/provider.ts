// Serves whole pictures of any size, from a thread of its own: the gateway's thread has enough to do.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import sharp from "sharp";

/** What may be wrong with it; `undeclared`: only that its length is not announced. */
export type Fault = "undeclared" | "cut" | "unended" | "endless";

export interface Provider {
  urlOf(bytes: number, fault?: Fault): string;
  /** Of the picture of that size. */
  sha256Of(bytes: number): string;
  stop(): Promise<void>;
}

export async function startProvider(sizes: readonly number[]): Promise<Provider> {
  const worker = new Worker(new URL(import.meta.url), { workerData: sizes });
  const [{ port, digests }] = await once(worker, "message") as [Serving];
  return {
    urlOf: (bytes, fault) => `http://127.0.0.1:${port}/${bytes}${fault ? `?${fault}` : ""}`,
    sha256Of: (bytes) => digests[bytes] ?? "",
    async stop() {
      await worker.terminate();
    },
  };
}

interface Serving {
  port: number;
  digests: Record<number, string>;
}

if (!isMainThread) await serve(workerData as readonly number[]);

async function serve(sizes: readonly number[]): Promise<void> {
  const seed = await sharp({ create: { width: 64, height: 64, channels: 3, background: "#c34" } }).png()
    .toBuffer();
  const pictures = new Map(sizes.map((bytes) => [`/${bytes}`, pictureOf(seed, bytes)]));
  const server = createServer((incoming, outgoing) => {
    const [path = "", fault] = (incoming.url ?? "").split("?");
    const picture = pictures.get(path);
    if (picture) send(picture, fault as Fault | undefined, outgoing);
    else outgoing.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const digests = Object.fromEntries(
    [...pictures].map((
      [path, picture],
    ) => [path.slice(1), createHash("sha256").update(picture).digest("hex")]),
  );
  parentPort?.postMessage({ port: (server.address() as AddressInfo).port, digests });
}

function send(picture: Buffer, fault: Fault | undefined, outgoing: ServerResponse): void {
  const isDeclared = fault === undefined || fault === "cut";
  const length: Record<string, number> = isDeclared ? { "content-length": picture.byteLength } : {};
  outgoing.writeHead(200, { "content-type": "image/png", ...length });
  const half = picture.subarray(0, picture.byteLength / 2);
  if (fault === "cut") outgoing.write(half, () => outgoing.destroy());
  else if (fault === "unended") outgoing.end(half);
  else if (fault === "endless") Readable.from(endless(picture)).pipe(outgoing);
  else outgoing.end(picture);
}

function* endless(picture: Buffer): Generator<Buffer> {
  for (;;) yield picture;
}

/** Nothing that reads headers and end marks can tell it from a real one. */
function pictureOf(seed: Buffer, bytes: number): Buffer {
  const picture = Buffer.alloc(bytes, seed);
  seed.copy(picture, bytes - 12, seed.byteLength - 12);
  return picture;
}
