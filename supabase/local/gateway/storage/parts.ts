// What has come of uploads that have not ended: a file of bytes and a file about it, each under the upload's id. They
// outlive the stack, and go when they expire.

import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Begun {
  id: string;
  bucket: string;
  name: string;
  /** Bytes, all of them. */
  total: number;
  contentType: string;
  cacheControl: string;
  userMetadata: Record<string, unknown> | null;
  /** Upload-Metadata, as it was sent. */
  told: string;
  expiresAtMs: number;
}

export interface Parts {
  begin(upload: Omit<Begun, "id" | "expiresAtMs">): Promise<Begun>;
  find(id: string): Promise<Begun | null>;
  offsetOf(id: string): Promise<number>;
  fileOf(id: string): string;
  /** Adds at the end, `maxBytes` at most; answers the new offset. What came before a cut stays. */
  write(
    id: string,
    body: ReadableStream<Uint8Array> | null,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<number>;
  end(id: string): Promise<void>;
  /** One at a time: whoever works on the same upload is told to stop by its signal, and waited for. */
  alone<Answer>(id: string, work: (signal: AbortSignal) => Promise<Answer>): Promise<Answer>;
}

/** As on hosted. */
const expirySeconds = 24 * 3600;
const uuid = /^[0-9a-f-]{36}$/;

/** `directory` is theirs alone. */
export async function openParts(directory: string): Promise<Parts> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const fileOf = (id: string) => join(directory, id);
  const running = new Map<string, { stop: AbortController; ended: Promise<void> }>();
  const parts: Parts = {
    fileOf,
    async begin(upload) {
      const begun = { ...upload, id: randomUUID(), expiresAtMs: Date.now() + expirySeconds * 1000 };
      await writeFile(fileOf(begun.id), "", { mode: 0o600 });
      await writeFile(`${fileOf(begun.id)}.json`, JSON.stringify(begun), { mode: 0o600 });
      return begun;
    },
    async find(id) {
      if (!uuid.test(id)) return null;
      const text = await readFile(`${fileOf(id)}.json`, "utf8").catch(() => null);
      const begun = text === null ? null : JSON.parse(text) as Begun;
      if (begun === null || Date.now() <= begun.expiresAtMs) return begun;
      await parts.end(id);
      return null;
    },
    offsetOf: async (id) => (await stat(fileOf(id))).size,
    async write(id, body, maxBytes, signal) {
      const file = await open(fileOf(id), "a");
      const reader = body?.getReader();
      const stop = () => void reader?.cancel().catch(() => {});
      signal.addEventListener("abort", stop);
      try {
        let left = maxBytes;
        for (;;) {
          // A client that leaves has sent what it has sent.
          const { value } = await reader?.read().catch(() => null) ?? {};
          if (!value || signal.aborted || value.byteLength > left) break;
          await file.write(value);
          left -= value.byteLength;
        }
        return (await file.stat()).size;
      } finally {
        signal.removeEventListener("abort", stop);
        stop();
        await file.close();
      }
    },
    async end(id) {
      for (const file of [`${fileOf(id)}.json`, fileOf(id)]) await rm(file, { force: true });
    },
    async alone(id, work) {
      for (let other = running.get(id); other; other = running.get(id)) {
        other.stop.abort();
        await other.ended;
      }
      const stop = new AbortController();
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      running.set(id, { stop, ended });
      try {
        return await work(stop.signal);
      } finally {
        running.delete(id);
        resolve();
      }
    },
  };
  // Looking for them removes those that have expired.
  for (const file of await readdir(directory)) await parts.find(file);
  return parts;
}
