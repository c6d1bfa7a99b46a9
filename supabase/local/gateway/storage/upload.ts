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
  const { bucket: bucketId, name, upsert, caller, ownerId, operation } = target;
  const bucket = await store.access.asService((db) => findBucket(db, bucketId));
  const maxBytes = limitOf(bucket);
  const content = await openContent(request, maxBytes);
  checkMimeType(content.mimeType, bucket.allowed_mime_types);
  if (content.isTooLarge) throw tooLarge();
  checkKey(name);
  const draft = { bucket: bucketId, name, ownerId, version: "1", userMetadata: null };
  const metadata = { mimetype: content.mimeType, contentLength: content.declaredBytes };
  await store.access.rehearse(caller, operation, (db) => tryObject(db, { ...draft, metadata }, upsert))
    .catch(alreadyThere(keyExists));
  return await keep(store, { ...draft, upsert }, content, maxBytes);
}

async function keep(
  store: Store,
  target: { bucket: string; name: string; ownerId: string | null; upsert: boolean },
  content: Content,
  maxBytes: number,
): Promise<ObjectRow> {
  const { bucket, name, ownerId, upsert } = target;
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

function limitOf(bucket: BucketRow): number {
  return Math.min(Number(bucket.file_size_limit ?? PROJECT_SIZE_LIMIT_BYTES), PROJECT_SIZE_LIMIT_BYTES);
}
