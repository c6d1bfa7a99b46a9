// Routes of /storage/v1/object. Each does its work as the caller, so row level security decides as on hosted.

import type { Caller } from "../caller.ts";
import { service } from "./access.ts";
import { json, secondsOf, textsOf } from "./body.ts";
import { describe, send } from "./download.ts";
import { accessDenied, alreadyThere, keyExists, malformed, noSuchBucket, noSuchKey } from "./errors.ts";
import { list } from "./list.ts";
import { findBucket, findObject, objectColumns, type ObjectRow, tryObject } from "./rows.ts";
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
    { bucket, name, upsert: rights.upsert, operation, caller: service, ownerId: rights.owner },
    request,
  );
  return Response.json({ Key: `${bucket}/${name}` });
}

export async function get(call: ObjectCall): Promise<Response> {
  return send(call.store, await readable(call, "storage.object.get_authenticated"), call.request, call.url);
}

export async function getPublic(call: ObjectCall): Promise<Response> {
  return send(call.store, await publicRow(call), call.request, call.url);
}

export async function infoPublic(call: ObjectCall): Promise<Response> {
  return Response.json(describe(await publicRow(call)));
}

/** Nobody is told that a private bucket exists. */
async function publicRow({ store, bucket, name }: ObjectCall): Promise<ObjectRow> {
  const row = await store.access.asService(async (db) => {
    if (!(await findBucket(db, bucket)).public) throw noSuchBucket();
    return await findObject(db, bucket, checkKey(name));
  });
  if (!row) throw noSuchKey();
  return row;
}

export async function getSigned(call: ObjectCall): Promise<Response> {
  const { store, bucket, name, url } = call;
  await store.signed.checkDownload(`${bucket}/${name}`, url.searchParams.get("token"));
  const row = await store.access.asService((db) => findObject(db, bucket, checkKey(name)));
  if (!row) throw noSuchKey();
  return send(store, row, call.request, url);
}

export async function info(call: ObjectCall): Promise<Response> {
  return Response.json(describe(await readable(call, "storage.object.get_authenticated_info")));
}

async function readable({ store, caller, bucket, name }: ObjectCall, operation: string): Promise<ObjectRow> {
  const { public: isPublic } = await store.access.asService((db) => findBucket(db, bucket));
  checkKey(name);
  const row = isPublic
    ? await store.access.asService((db) => findObject(db, bucket, name))
    : await store.access.as(caller, operation, (db) => findObject(db, bucket, name));
  if (!row) throw noSuchKey();
  return row;
}

export async function sign({ store, caller, request, bucket, name }: ObjectCall): Promise<Response> {
  // A `transform` in the body is passed over, as on a plan without image transformation.
  const expiresIn = secondsOf(await json(request));
  checkKey(name);
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
  await store.access.rehearse(caller, "storage.object.sign_upload_url", (db) => tryObject(db, draft, upsert))
    .catch(alreadyThere(keyExists));
  const token = await store.signed.upload(`${bucket}/${name}`, { upsert, owner: caller.userId });
  return Response.json({ url: `/object/upload/sign/${bucket}/${name}?token=${token}`, token });
}

export async function listFolder({ store, caller, request, bucket }: ObjectCall): Promise<Response> {
  const body = await json(request);
  return Response.json(await store.access.as(caller, "storage.object.list", (db) => list(db, bucket, body)));
}

/** Looked up as the service: who may not delete it is told that it is there. */
export async function removeOne(call: ObjectCall): Promise<Response> {
  const row = await call.store.access.asService((db) => findObject(db, call.bucket, call.name));
  if (!row) throw noSuchKey();
  const gone = await removeRows(call, [call.name], "storage.object.delete");
  if (gone.length === 0) throw accessDenied("Access denied");
  return Response.json({ message: "Successfully deleted" });
}

/** Names that are missing or not the caller's are left out of the answer, without an error; a missing bucket too. */
export async function removeMany(call: ObjectCall): Promise<Response> {
  const names = textsOf((await json(call.request)).prefixes, "prefixes");
  if (names.length > MAX_REMOVED) {
    throw malformed(`body/prefixes must NOT have more than ${MAX_REMOVED} items`);
  }
  return Response.json(await removeRows(call, names, "storage.object.delete_many"));
}

async function removeRows({ store, caller, bucket }: ObjectCall, names: string[], operation: string) {
  const gone = await store.access.as(caller, operation, (db) =>
    db<ObjectRow[]>`
      delete from storage.objects where bucket_id = ${bucket} and name in ${db(names)}
      returning ${db(objectColumns)}`);
  await store.blobs.remove(gone.map((row) => row.version));
  return [...gone];
}
