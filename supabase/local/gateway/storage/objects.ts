// Routes of /storage/v1/object. Each does its work as the caller, so row level security decides as on hosted.

import type { Caller } from "../caller.ts";
import { describe, send } from "./download.ts";
import { invalidRequest, keyExists, noSuchKey } from "./errors.ts";
import { list } from "./list.ts";
import { findBucket, findObject, objectColumns, type ObjectRow, tryObject, writeObject } from "./rows.ts";
import { checkKey } from "./rules.ts";
import type { Store } from "./store.ts";
import { upload } from "./upload.ts";

export interface ObjectCall {
  store: Store;
  caller: Caller;
  request: Request;
  url: URL;
  bucket: string;
  name: string;
}

const MAX_REMOVED = 1000;

export async function put(call: ObjectCall, isUpdate: boolean): Promise<Response> {
  const { store, caller, request, bucket, name } = call;
  const row = await upload(store, {
    bucket,
    name,
    upsert: isUpdate || request.headers.get("x-upsert") === "true",
    operation: isUpdate ? "storage.object.upload_update" : "storage.object.upload",
    caller,
    ownerId: caller.userId,
  }, request);
  return Response.json({ Id: row.id, Key: `${bucket}/${name}` });
}

export async function putSigned(call: ObjectCall): Promise<Response> {
  const { store, request, url, bucket, name } = call;
  const rights = await store.signed.checkUpload(`${bucket}/${name}`, url.searchParams.get("token"));
  const operation = "storage.object.upload_signed";
  await upload(
    store,
    { bucket, name, upsert: rights.upsert, operation, caller: null, ownerId: rights.owner },
    request,
  );
  return Response.json({ Key: `${bucket}/${name}` });
}

export async function get(call: ObjectCall): Promise<Response> {
  return send(call.store, await readable(call, "storage.object.get_authenticated"), call.request, call.url);
}

export async function getPublic(call: ObjectCall): Promise<Response> {
  const { store, bucket, name } = call;
  const row = await store.access.asService(async (db) =>
    (await findBucket(db, bucket)).public ? await findObject(db, bucket, name) : null
  );
  if (!row) throw noSuchKey();
  return send(store, row, call.request, call.url);
}

export async function getSigned(call: ObjectCall): Promise<Response> {
  const { store, bucket, name, url } = call;
  await store.signed.checkDownload(`${bucket}/${name}`, url.searchParams.get("token"));
  const row = await store.access.asService((db) => findObject(db, bucket, name));
  if (!row) throw noSuchKey();
  return send(store, row, call.request, url);
}

export async function info(call: ObjectCall): Promise<Response> {
  return Response.json(describe(await readable(call, "storage.object.get_authenticated_info")));
}

async function readable({ store, caller, bucket, name }: ObjectCall, operation: string): Promise<ObjectRow> {
  const { public: isPublic } = await store.access.asService((db) => findBucket(db, bucket));
  const row = isPublic
    ? await store.access.asService((db) => findObject(db, bucket, name))
    : await store.access.as(caller, operation, (db) => findObject(db, bucket, name));
  if (!row) throw noSuchKey();
  return row;
}

export async function sign({ store, caller, request, bucket, name }: ObjectCall): Promise<Response> {
  const expiresIn = secondsOf(await json(request));
  const row = await store.access.as(caller, "storage.object.sign", (db) => findObject(db, bucket, name));
  if (!row) throw noSuchKey();
  return Response.json({ signedURL: await signedPath(store, bucket, name, expiresIn) });
}

export async function signMany({ store, caller, request, bucket }: ObjectCall): Promise<Response> {
  const body = await json(request);
  const expiresIn = secondsOf(body);
  const paths = textsOf(body.paths, "paths");
  const rows = await store.access.as(
    caller,
    "storage.object.sign_many",
    (db) =>
      db<{ name: string }[]>`select name from storage.objects where bucket_id = ${bucket} and name in ${
        db(paths)
      }`,
  );
  const found = new Set(rows.map((row) => row.name));
  return Response.json(
    await Promise.all(
      paths.map(async (path) =>
        found.has(path)
          ? { path, error: null, signedURL: await signedPath(store, bucket, path, expiresIn) }
          : {
            path,
            error: "Either the object does not exist or you do not have access to it",
            signedURL: null,
          }
      ),
    ),
  );
}

async function signedPath(store: Store, bucket: string, name: string, seconds: number): Promise<string> {
  return `/object/sign/${bucket}/${name}?token=${await store.signed.download(`${bucket}/${name}`, seconds)}`;
}

export async function signUpload({ store, caller, request, bucket, name }: ObjectCall): Promise<Response> {
  checkKey(name);
  const upsert = request.headers.get("x-upsert") === "true";
  const draft = { bucket, name, ownerId: caller.userId, version: "1", metadata: {}, userMetadata: null };
  await store.access.rehearse(caller, "storage.object.sign_upload_url", (db) => tryObject(db, draft, upsert));
  const token = await store.signed.upload(`${bucket}/${name}`, { upsert, owner: caller.userId });
  return Response.json({ url: `/object/upload/sign/${bucket}/${name}?token=${token}`, token });
}

export async function listFolder({ store, caller, request, bucket }: ObjectCall): Promise<Response> {
  const body = await json(request);
  return Response.json(await store.access.as(caller, "storage.object.list", (db) => list(db, bucket, body)));
}

export async function removeOne(call: ObjectCall): Promise<Response> {
  const gone = await removeRows(call, [call.name], "storage.object.delete");
  if (gone.length === 0) throw noSuchKey();
  return Response.json({ message: "Successfully deleted" });
}

/** Names that are missing or not the caller's are left out of the answer, without an error. */
export async function removeMany(call: ObjectCall): Promise<Response> {
  const names = textsOf((await json(call.request)).prefixes, "prefixes");
  if (names.length > MAX_REMOVED) {
    throw invalidRequest(`At most ${MAX_REMOVED} objects can be deleted at once`);
  }
  return Response.json(await removeRows(call, names, "storage.object.delete_many"));
}

async function removeRows({ store, caller, bucket }: ObjectCall, names: string[], operation: string) {
  await store.access.asService((db) => findBucket(db, bucket));
  const gone = await store.access.as(caller, operation, (db) =>
    db<ObjectRow[]>`
      delete from storage.objects where bucket_id = ${bucket} and name in ${db(names)}
      returning ${db(objectColumns)}`);
  await store.blobs.remove(gone.map((row) => row.version));
  return [...gone];
}

export async function move({ store, caller, request }: ObjectCall): Promise<Response> {
  const { from, to } = routeOf(await json(request));
  const moved = await store.access.as(
    caller,
    "storage.object.move",
    (db) =>
      db`update storage.objects set bucket_id = ${to.bucket}, name = ${to.name}, updated_at = now()
      where bucket_id = ${from.bucket} and name = ${from.name} returning id`,
  );
  if (moved.length === 0) throw noSuchKey();
  return Response.json({ message: "Successfully moved" });
}

export async function copy({ store, caller, request }: ObjectCall): Promise<Response> {
  const { from, to } = routeOf(await json(request));
  const operation = "storage.object.copy";
  const source = await store.access.as(caller, operation, (db) => findObject(db, from.bucket, from.name));
  if (!source?.version || !source.metadata) throw noSuchKey();
  const draft = {
    ...to,
    ownerId: caller.userId,
    version: "1",
    metadata: source.metadata,
    userMetadata: source.user_metadata,
  };
  const upsert = request.headers.get("x-upsert") === "true";
  await store.access.rehearse(caller, operation, (db) => tryObject(db, draft, upsert));
  const version = await store.blobs.copy(source.version);
  const row = await store.access.asService((db) => writeObject(db, { ...draft, version }, upsert));
  if (!row) {
    await store.blobs.remove([version]);
    throw keyExists();
  }
  return Response.json({ Id: row.id, Key: `${to.bucket}/${to.name}` });
}

function routeOf(body: Record<string, unknown>) {
  const bucket = textOf(body.bucketId, "bucketId");
  const target = body.destinationBucket === undefined
    ? bucket
    : textOf(body.destinationBucket, "destinationBucket");
  return {
    from: { bucket, name: textOf(body.sourceKey, "sourceKey") },
    to: { bucket: target, name: checkKey(textOf(body.destinationKey, "destinationKey")) },
  };
}

export async function json(request: Request): Promise<Record<string, unknown>> {
  const body: unknown = await request.json().catch(() => null);
  if (typeof body !== "object" || body === null) throw invalidRequest("The body must be a JSON object");
  return body as Record<string, unknown>;
}

export function textOf(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "") {
    throw invalidRequest(`body must have required property '${name}'`);
  }
  return value;
}

function textsOf(value: unknown, name: string): string[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidRequest(`body/${name} must NOT have fewer than 1 items`);
  }
  return value.map((entry) => textOf(entry, name));
}

function secondsOf(body: Record<string, unknown>): number {
  const seconds = Number(body.expiresIn);
  if (!Number.isInteger(seconds) || seconds < 1) throw invalidRequest("body/expiresIn must be >= 1");
  return seconds;
}
