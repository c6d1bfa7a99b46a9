// Routes of /storage/v1/bucket.

import type { Caller } from "../caller.ts";
import { alreadyThere, bucketExists, bucketNotEmpty, noSuchBucket } from "./errors.ts";
import { json, textOf } from "./body.ts";
import { bucketColumns, type BucketRow, findBucket, type ObjectRow } from "./rows.ts";
import { checkBucketName, mimeTypesOf, sizeLimitOf } from "./rules.ts";
import type { Store } from "./store.ts";

export interface BucketCall {
  store: Store;
  caller: Caller;
  request: Request;
  id: string;
}

export async function listBuckets({ store, caller }: BucketCall): Promise<Response> {
  const rows = await store.access.as(
    caller,
    "storage.bucket.list",
    (db) => db<BucketRow[]>`select ${db(bucketColumns)} from storage.buckets order by name`,
  );
  return Response.json(rows.map(show));
}

export async function getBucket({ store, caller, id }: BucketCall): Promise<Response> {
  return Response.json(show(await store.access.as(caller, "storage.bucket.get", (db) => findBucket(db, id))));
}

export async function createBucket({ store, caller, request }: BucketCall): Promise<Response> {
  const body = await json(request);
  const id = checkBucketName(textOf(body.id ?? body.name, "name"));
  await store.access.as(
    caller,
    "storage.bucket.create",
    (db) =>
      db`insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
      values (${id}, ${id}, ${body.public === true}, ${sizeLimitOf(body.file_size_limit)}, ${
        mimeTypesOf(body.allowed_mime_types)
      })`,
  ).catch(alreadyThere(bucketExists));
  return Response.json({ name: id });
}

export async function updateBucket({ store, caller, request, id }: BucketCall): Promise<Response> {
  const body = await json(request);
  const changed = await store.access.as(caller, "storage.bucket.update", (db) =>
    db`update storage.buckets set
        public = coalesce(${typeof body.public === "boolean" ? body.public : null}, public),
        file_size_limit = ${
      body.file_size_limit === undefined ? db`file_size_limit` : sizeLimitOf(body.file_size_limit)
    },
        allowed_mime_types = ${
      body.allowed_mime_types === undefined ? db`allowed_mime_types` : mimeTypesOf(body.allowed_mime_types)
    },
        updated_at = now()
      where id = ${id} returning id`);
  if (changed.length === 0) throw noSuchBucket();
  return Response.json({ message: "Successfully updated" });
}

export async function deleteBucket({ store, caller, id }: BucketCall): Promise<Response> {
  const used = await store.access.asService((db) =>
    db`select 1 from storage.objects where bucket_id = ${id} limit 1`
  );
  if (used.length > 0) throw bucketNotEmpty();
  const gone = await store.access.as(
    caller,
    "storage.bucket.delete",
    (db) => db`delete from storage.buckets where id = ${id} returning id`,
  );
  if (gone.length === 0) throw noSuchBucket();
  return Response.json({ message: "Successfully deleted" });
}

export async function emptyBucket({ store, caller, id }: BucketCall): Promise<Response> {
  const gone = await store.access.as(caller, "storage.bucket.empty", async (db) => {
    await findBucket(db, id);
    return await db<ObjectRow[]>`delete from storage.objects where bucket_id = ${id} returning version`;
  });
  await store.blobs.remove(gone.map((row) => row.version));
  return Response.json({ message: "Empty bucket has been queued. Completion may take up to an hour." });
}

function show(bucket: BucketRow): Record<string, unknown> {
  const limit = bucket.file_size_limit;
  return { ...bucket, type: "STANDARD", file_size_limit: limit === null ? null : Number(limit) };
}
