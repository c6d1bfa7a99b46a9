// /upload/resumable: TUS 1.0.0 with the extensions creation, creation-with-upload, termination and expiration, as
// hosted has them. Its errors are plain text with their true status.
//
// Own code and not @tus/server, which hosted runs: that would bring a dozen packages for what fits here, Redis among
// them. Permission is asked anew with every request but HEAD; whoever comes second on an upload takes it over.

import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { StorageError } from "./errors.ts";
import type { ObjectCall } from "./objects.ts";
import type { Begun } from "./parts.ts";
import { checkBucketName, checkKey, checkMimeType } from "./rules.ts";
import { findBucket } from "./rows.ts";
import { keep, limitOf, permit, type UploadTarget } from "./upload.ts";

const route = "/storage/v1/upload/resumable";
const octets = "application/offset+octet-stream";
const exposed = "Location, Tus-Resumable, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset";
const methods: Record<string, (call: ObjectCall) => Promise<Response>> = {
  POST: create,
  HEAD: tell,
  PATCH: append,
  DELETE: terminate,
};

export async function resumable(call: ObjectCall): Promise<Response> {
  try {
    if (!call.request.headers.has("tus-resumable")) throw new TusError(412, "Tus-Resumable Required\n");
    return await methods[call.request.method]!(call);
  } catch (error) {
    if (error instanceof TusError) return answer(error.status, {}, error.message);
    if (error instanceof StorageError) return answer(error.fault.statusCode, {}, error.fault.message);
    throw error;
  }
}

class TusError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const notFound = () => new TusError(404, "The file for this url was not found\n");
const tooLarge = () => new TusError(413, "Maximum size exceeded\n");

async function create(call: ObjectCall): Promise<Response> {
  const { store, request, url } = call;
  const total = wholeNumber(request.headers.get("upload-length"));
  if (total === null) throw new TusError(400, "Upload-Length or Upload-Defer-Length header required\n");
  const metadata = metadataOf(request.headers.get("upload-metadata"));
  const bucketId = checkBucketName(metadata.get("bucketName") ?? "");
  const name = checkKey(metadata.get("objectName") ?? "");
  const bucket = await store.access.asService((db) => findBucket(db, bucketId));
  if (total > limitOf(bucket)) throw tooLarge();
  await permit(store, targetOf(call, { bucket: bucketId, name }));
  const contentType = metadata.get("contentType");
  if (contentType !== undefined) checkMimeType(contentType, bucket.allowed_mime_types);
  const seconds = wholeNumber(metadata.get("cacheControl") ?? null);
  const begun = await store.parts.begin({
    bucket: bucketId,
    name,
    total,
    contentType: contentType ?? "application/octet-stream",
    cacheControl: seconds === null ? "no-cache" : `max-age=${seconds}`,
    userMetadata: objectOf(metadata.get("metadata")),
    told: request.headers.get("upload-metadata") ?? "",
  });
  const id = Buffer.from(`${bucketId}/${name}/${begun.id}`).toString("base64url");
  const headers = { location: `${url.origin}${route}/${id}` };
  if (request.headers.get("content-type") !== octets) {
    return answer(201, { ...headers, ...expiry(begun) });
  }
  return await take(call, begun, 201, headers);
}

async function tell(call: ObjectCall): Promise<Response> {
  const { parts } = call.store;
  const upload = await find(call);
  return await parts.alone(upload.id, async () =>
    answer(200, {
      "cache-control": "no-store",
      "upload-offset": String(await parts.offsetOf(upload.id)),
      "upload-length": String(upload.total),
      "upload-metadata": upload.told,
      ...expiry(upload),
    }));
}

async function append(call: ObjectCall): Promise<Response> {
  const { headers } = call.request;
  if (wholeNumber(headers.get("upload-offset")) === null) {
    throw new TusError(403, "Upload-Offset header required\n");
  }
  if (headers.get("content-type") !== octets) {
    throw new TusError(403, "Content-Type header required\n");
  }
  const upload = await find(call);
  await permit(call.store, targetOf(call, upload));
  return await take(call, upload, 204, {});
}

async function terminate(call: ObjectCall): Promise<Response> {
  const upload = await find(call);
  await permit(call.store, targetOf(call, upload));
  const { parts } = call.store;
  await parts.alone(upload.id, () => parts.end(upload.id));
  return answer(204, {});
}

/** Writes what the request brings, and once all is there stores the object. */
async function take(
  call: ObjectCall,
  upload: Begun,
  status: number,
  headers: Record<string, string>,
): Promise<Response> {
  const { store, request } = call;
  const { parts } = store;
  return await parts.alone(upload.id, async (signal) => {
    const before = await parts.offsetOf(upload.id);
    if (before !== Number(request.headers.get("upload-offset") ?? 0)) {
      throw new TusError(409, "Upload-Offset conflict\n");
    }
    const declared = wholeNumber(request.headers.get("content-length")) ?? 0;
    if (before + declared > upload.total) throw tooLarge();
    const offset = await parts.write(upload.id, request.body, upload.total - before, signal);
    const told = { ...headers, "upload-offset": String(offset) };
    if (offset < upload.total) return answer(status, { ...told, ...expiry(upload) });
    const { bucket, name, contentType, cacheControl, userMetadata } = upload;
    await keep(store, targetOf(call, { bucket, name }), upload.total, {
      mimeType: contentType,
      read: () =>
        Promise.resolve({
          body: Readable.toWeb(createReadStream(parts.fileOf(upload.id))) as ReadableStream<Uint8Array>,
          cacheControl,
          userMetadata,
        }),
    });
    await parts.end(upload.id);
    return answer(status, told);
  });
}

async function find({ url, store: { parts } }: ObjectCall): Promise<Begun> {
  const id = Buffer.from(url.pathname.slice(url.pathname.lastIndexOf("/") + 1), "base64url").toString("utf8");
  const upload = await parts.find(id.slice(id.lastIndexOf("/") + 1));
  if (upload === null || id !== `${upload.bucket}/${upload.name}/${upload.id}`) throw notFound();
  return upload;
}

function targetOf(
  { request, caller }: ObjectCall,
  { bucket, name }: { bucket: string; name: string },
): UploadTarget {
  return {
    bucket,
    name,
    upsert: request.headers.get("x-upsert") === "true",
    operation: "storage.tus.upload",
    caller,
    ownerId: caller.userId,
  };
}

function answer(status: number, headers: Record<string, string>, body: string | null = null): Response {
  return new Response(body, {
    status,
    headers: { "tus-resumable": "1.0.0", "access-control-expose-headers": exposed, ...headers },
  });
}

function expiry({ expiresAtMs }: Begun): Record<string, string> {
  return { "upload-expires": new Date(expiresAtMs).toUTCString() };
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** `name base64,name base64`. */
function metadataOf(header: string | null): Map<string, string> {
  const pairs = (header ?? "").split(",").filter((pair) => pair.trim() !== "").map((pair) => {
    const [name = "", value = ""] = pair.trim().split(" ");
    return [name, Buffer.from(value, "base64").toString("utf8")] as const;
  });
  return new Map(pairs);
}

function objectOf(text: string | undefined): Record<string, unknown> | null {
  try {
    return text === undefined ? null : JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null; // hosted ignores metadata that is not JSON
  }
}
