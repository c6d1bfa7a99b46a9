// Storing an object: permission first (rehearsed as the caller), then the bytes, then the row as the service.

import type { Caller } from "../caller.ts";
import { invalidRequest, keyExists, tooLarge } from "./errors.ts";
import type { Store } from "./store.ts";
import { type BucketRow, findBucket, findObject, type ObjectRow, tryObject, writeObject } from "./rows.ts";
import { checkKey, checkMimeType, PROJECT_SIZE_LIMIT_BYTES } from "./rules.ts";

export interface UploadTarget {
  bucket: string;
  name: string;
  upsert: boolean;
  operation: string;
  /** Null: the right was given when the upload URL was signed. */
  caller: Caller | null;
  ownerId: string | null;
}

interface Content {
  body: ReadableStream<Uint8Array> | null;
  mimeType: string;
  cacheControl: string;
  userMetadata: Record<string, unknown> | null;
}

// Boundaries, part headers and the small text fields around a file in a form.
const FORM_OVERHEAD_BYTES = 64 * 1024;

export async function upload(store: Store, target: UploadTarget, request: Request): Promise<ObjectRow> {
  const { bucket: bucketId, name, upsert, caller, ownerId, operation } = target;
  checkKey(name);
  const bucket = await store.access.asService((db) => findBucket(db, bucketId));
  const probe = { bucket: bucketId, name, ownerId, version: "1", userMetadata: null };
  if (caller) {
    const metadata = { mimetype: request.headers.get("content-type") ?? "application/octet-stream" };
    await store.access.rehearse(caller, operation, (db) => tryObject(db, { ...probe, metadata }, upsert));
  }
  if (!upsert && await store.access.asService((db) => findObject(db, bucketId, name))) throw keyExists();

  const maxBytes = limitOf(bucket);
  const content = await readContent(request, maxBytes);
  checkMimeType(content.mimeType, bucket.allowed_mime_types);
  const blob = await store.blobs.put(content.body, maxBytes);
  const metadata = {
    eTag: blob.eTag,
    size: blob.sizeBytes,
    mimetype: content.mimeType,
    cacheControl: content.cacheControl,
    lastModified: new Date().toISOString(),
    contentLength: blob.sizeBytes,
    httpStatusCode: 200,
  };
  const draft = { ...probe, version: blob.version, metadata, userMetadata: content.userMetadata };
  try {
    const { row, replaced } = await store.access.asService(async (db) => {
      const before = await findObject(db, bucketId, name);
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

async function readContent(request: Request, maxBytes: number): Promise<Content> {
  const type = request.headers.get("content-type") ?? "application/octet-stream";
  const declaredBytes = Number(request.headers.get("content-length") ?? 0);
  const isForm = type.startsWith("multipart/form-data");
  if (declaredBytes > maxBytes + (isForm ? FORM_OVERHEAD_BYTES : 0)) throw tooLarge();
  if (isForm) return readForm(await request.formData());
  const metadata = request.headers.get("x-metadata");
  return {
    body: request.body,
    mimeType: type,
    cacheControl: request.headers.get("cache-control") ?? "no-cache",
    userMetadata: metadata === null ? null : jsonOf(Buffer.from(metadata, "base64").toString("utf8")),
  };
}

function readForm(form: FormData): Content {
  let file: Blob | null = null;
  for (const value of form.values()) if (typeof value !== "string") file ??= value;
  if (!file) throw invalidRequest("The form holds no file");
  const seconds = form.get("cacheControl");
  const metadata = form.get("metadata");
  return {
    body: file.stream(),
    mimeType: file.type || "application/octet-stream",
    cacheControl: typeof seconds === "string" ? `max-age=${seconds}` : "no-cache",
    userMetadata: typeof metadata === "string" ? jsonOf(metadata) : null,
  };
}

function jsonOf(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null; // hosted ignores metadata that is not JSON
  }
}
