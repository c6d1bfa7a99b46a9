// Moving and copying: permission rehearsed as the caller, the row written as the service.

import type { TransactionSql } from "postgres";
import { json, textOf } from "./body.ts";
import { alreadyThere, keyExists, noSuchKey } from "./errors.ts";
import type { ObjectCall } from "./objects.ts";
import { findObject, tryObject, writeObject } from "./rows.ts";
import { checkKey } from "./rules.ts";

export async function move({ store, caller, request }: ObjectCall): Promise<Response> {
  const { from, to } = routeOf(await json(request));
  const rename = async (db: TransactionSql) => {
    if (!await findObject(db, from.bucket, from.name)) throw noSuchKey();
    const moved = await db`
      update storage.objects set bucket_id = ${to.bucket}, name = ${to.name},
        owner_id = coalesce(${caller.userId}, owner_id), owner = coalesce(${caller.userId}::uuid, owner)
      where bucket_id = ${from.bucket} and name = ${from.name} returning id`;
    if (moved.length === 0) throw noSuchKey();
  };
  await store.access.rehearse(caller, "storage.object.move", rename);
  await store.access.asService(rename);
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
  await store.access.rehearse(caller, operation, (db) => tryObject(db, draft, upsert))
    .catch(alreadyThere(keyExists));
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
