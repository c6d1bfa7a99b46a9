// Rows of storage.buckets and storage.objects, and the queries that several routes share.

import type { TransactionSql } from "postgres";
import { noSuchBucket } from "./errors.ts";

export interface BucketRow {
  id: string;
  name: string;
  owner: string | null;
  public: boolean;
  file_size_limit: string | null;
  allowed_mime_types: string[] | null;
  created_at: Date;
  updated_at: Date;
}

export interface ObjectMetadata {
  eTag: string;
  size: number;
  mimetype: string;
  cacheControl: string;
  lastModified: string;
  contentLength: number;
  httpStatusCode: number;
}

export interface ObjectRow {
  id: string;
  bucket_id: string;
  name: string;
  owner_id: string | null;
  version: string | null;
  metadata: ObjectMetadata | null;
  user_metadata: Record<string, unknown> | null;
  created_at: Date;
  updated_at: Date;
  last_accessed_at: Date;
}

export const bucketColumns = [
  "id",
  "name",
  "owner",
  "public",
  "file_size_limit",
  "allowed_mime_types",
  "created_at",
  "updated_at",
];

export const objectColumns = [
  "id",
  "bucket_id",
  "name",
  "owner_id",
  "version",
  "metadata",
  "user_metadata",
  "created_at",
  "updated_at",
  "last_accessed_at",
];

export async function findBucket(db: TransactionSql, id: string): Promise<BucketRow> {
  const [row] = await db<BucketRow[]>`select ${db(bucketColumns)} from storage.buckets where id = ${id}`;
  if (!row) throw noSuchBucket();
  return row;
}

export async function findObject(
  db: TransactionSql,
  bucket: string,
  name: string,
): Promise<ObjectRow | null> {
  const [row] = await db<ObjectRow[]>`
    select ${db(objectColumns)} from storage.objects where bucket_id = ${bucket} and name = ${name}`;
  return row ?? null;
}

export interface ObjectDraft {
  bucket: string;
  name: string;
  ownerId: string | null;
  version: string;
  metadata: Partial<ObjectMetadata>;
  userMetadata: Record<string, unknown> | null;
}

/** Inserts, or with `upsert` replaces. Answers null when the key is taken and `upsert` is off. */
export async function writeObject(
  db: TransactionSql,
  draft: ObjectDraft,
  upsert: boolean,
): Promise<ObjectRow | null> {
  const { bucket, name, ownerId, version, metadata, userMetadata } = draft;
  const onConflict = upsert
    ? db`on conflict (bucket_id, name) do update set version = excluded.version, owner = excluded.owner,
        owner_id = excluded.owner_id, metadata = excluded.metadata, user_metadata = excluded.user_metadata,
        updated_at = now()`
    : db`on conflict (bucket_id, name) do nothing`;
  const [row] = await db<ObjectRow[]>`
    insert into storage.objects (bucket_id, name, owner, owner_id, version, metadata, user_metadata)
    values (${bucket}, ${name}, ${ownerUuid(ownerId)}, ${ownerId}, ${version},
      ${JSON.stringify(metadata)}::text::jsonb, ${userMetadata && JSON.stringify(userMetadata)}::text::jsonb)
    ${onConflict}
    returning ${db(objectColumns)}`;
  return row ?? null;
}

/** The same as a caller, with no RETURNING and no ON CONFLICT DO NOTHING: those would ask for SELECT rights too. */
export async function tryObject(db: TransactionSql, draft: ObjectDraft, upsert: boolean): Promise<void> {
  const { bucket, name, ownerId, version, metadata, userMetadata } = draft;
  const onConflict = upsert
    ? db`on conflict (bucket_id, name) do update set version = excluded.version, owner = excluded.owner,
        owner_id = excluded.owner_id, metadata = excluded.metadata`
    : db``;
  await db`
    insert into storage.objects (bucket_id, name, owner, owner_id, version, metadata, user_metadata)
    values (${bucket}, ${name}, ${ownerUuid(ownerId)}, ${ownerId}, ${version},
      ${JSON.stringify(metadata)}::text::jsonb, ${userMetadata && JSON.stringify(userMetadata)}::text::jsonb)
    ${onConflict}`;
}

function ownerUuid(ownerId: string | null): string | null {
  return ownerId !== null && /^[0-9a-f-]{36}$/i.test(ownerId) ? ownerId : null;
}
