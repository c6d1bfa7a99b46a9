// Storing an object: permission first (rehearsed as the caller), then the bytes, then the row as the service.

import type { Caller } from "../caller.ts";
import { type Content, openContent } from "./content.ts";
import { alreadyThere, keyExists, tooLarge } from "./errors.ts";
import { type BucketRow, findBucket, findObject, type ObjectRow, tryObject, writeObject } from "./rows.ts";
import { checkKey, checkMimeType, PROJECT_SIZE_LIMIT_BYTES } from "./rules.ts";
import type { Store } from "./store.ts";

export interface UploadTarget {
  bucket: string;
  name: string;
  upsert: boolean;
  operation: string;
  /** The service itself, where the right was given when the upload URL was signed. */
  caller: Caller;
  ownerId: string | null;
}

export async function upload(store: Store, target: UploadTarget, request: Request): Promise<ObjectRow> {
  const bucket = await store.access.asService((db) => findBucket(db, target.bucket));
  const maxBytes = limitOf(bucket);
  const content = await openContent(request, maxBytes);
  checkMimeType(content.mimeType, bucket.allowed_mime_types);
  if (content.isTooLarge) throw tooLarge();
  await permit(store, target, { mimetype: content.mimeType, contentLength: content.declaredBytes });
  return await keep(store, target, maxBytes, content);
}

/** Throws where the caller may not store this, or the name is taken. */
export async function permit(
  store: Store,
  { bucket, name, upsert, caller, ownerId, operation }: UploadTarget,
  metadata: { mimetype?: string; contentLength?: number | undefined } = {},
): Promise<void> {
  checkKey(name);
  const draft = { bucket, name, ownerId, version: "1", userMetadata: null, metadata };
  await store.access.rehearse(caller, operation, (db) => tryObject(db, draft, upsert))
    .catch(alreadyThere(keyExists));
}

/** Stores bytes and row, as the service: permission has been asked. */
export async function keep(
  store: Store,
  { bucket, name, ownerId, upsert }: UploadTarget,
  maxBytes: number,
  content: Pick<Content, "mimeType" | "read">,
): Promise<ObjectRow> {
  const { body, cacheControl, userMetadata } = await content.read();
  const blob = await store.blobs.put(body, maxBytes);
  const metadata = {
    eTag: blob.eTag,
    size: blob.sizeBytes,
    mimetype: content.mimeType,
    cacheControl,
    lastModified: new Date().toISOString(),
    contentLength: blob.sizeBytes,
    httpStatusCode: 200,
  };
  const draft = { bucket, name, ownerId, version: blob.version, metadata, userMetadata };
  try {
    const { row, replaced } = await store.access.asService(async (db) => {
      const before = await findObject(db, bucket, name);
      return { row: await writeObject(db, draft, upsert), replaced: before?.version ?? null };
    });
    if (!row) throw keyExists();
    await store.blobs.remove([replaced]);
    return row;
  } catch (error) {
    await store.blobs.remove([blob.version]);
    throw error;
  }
}

/** Bytes. */
export function limitOf(bucket: BucketRow): number {
  return Math.min(Number(bucket.file_size_limit ?? PROJECT_SIZE_LIMIT_BYTES), PROJECT_SIZE_LIMIT_BYTES);
}
