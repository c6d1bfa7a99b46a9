// The bytes of objects: one file a version under `<dataDirectory>/storage`. A new version is a new file, so a reader
// never sees half an upload and keys never become paths.

import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { tooLarge } from "./errors.ts";

export interface StoredBlob {
  version: string;
  sizeBytes: number;
  eTag: string;
}

export interface Blobs {
  /** Stores while streaming; over `maxBytes` nothing stays and EntityTooLarge is thrown. */
  put(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<StoredBlob>;
  open(version: string, range?: { start: number; end: number }): ReadableStream<Uint8Array>;
  copy(version: string): Promise<string>;
  remove(versions: (string | null)[]): Promise<void>;
}

export function openBlobs(directory: string): Blobs {
  const fileOf = (version: string) => join(directory, version.slice(0, 2), version);
  const newFile = async () => {
    const version = randomUUID();
    await mkdir(join(directory, version.slice(0, 2)), { recursive: true });
    return version;
  };
  return {
    async put(body, maxBytes) {
      const version = await newFile();
      const file = fileOf(version);
      const hash = createHash("md5"); // an ETag as S3 gives, not a safeguard
      let sizeBytes = 0;
      const meter = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          sizeBytes += chunk.byteLength;
          hash.update(chunk);
          if (sizeBytes > maxBytes) done(tooLarge());
          else done(null, chunk);
        },
      });
      try {
        await pipeline(body ?? Readable.from([]), meter, createWriteStream(file, { mode: 0o600 }));
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
      return { version, sizeBytes, eTag: `"${hash.digest("hex")}"` };
    },
    open(version, range) {
      return Readable.toWeb(createReadStream(fileOf(version), range)) as ReadableStream<Uint8Array>;
    },
    async copy(version) {
      const copied = await newFile();
      await copyFile(fileOf(version), fileOf(copied));
      return copied;
    },
    async remove(versions) {
      for (const version of versions) if (version) await rm(fileOf(version), { force: true });
    },
  };
}
