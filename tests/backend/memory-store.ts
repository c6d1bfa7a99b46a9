// Storage as the backend sees it, in memory: an upload is read to its end, or leaves nothing.

import type { Store, UploadBody } from "../../shared/backend/mod.ts";

export interface StoredObject {
  bytes: Uint8Array<ArrayBuffer>;
  contentType: string;
  /** As announced before the first byte. */
  declaredBytes: number | null;
}

export interface MemoryStore extends Pick<Store, "upload"> {
  /** By bucket and path. */
  objects: Map<string, StoredObject>;
}

export function memoryStore(): MemoryStore {
  const objects: MemoryStore["objects"] = new Map();
  return {
    objects,
    async upload(bucket, path, { stream, bytes: declaredBytes, contentType }) {
      if (objects.has(`${bucket}/${path}`)) return "taken";
      const bytes = await readStream(stream);
      objects.set(`${bucket}/${path}`, { bytes, contentType, declaredBytes });
      return "stored";
    },
  };
}

/** Rejects with what the stream errors with. */
export async function readStream(stream: UploadBody["stream"]): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  // A copy: a chunk is ours only until the next one is asked for.
  for await (const chunk of stream) chunks.push(chunk.slice());
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
