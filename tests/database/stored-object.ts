// Storage's own row of a picture, as it stands once an upload has ended.

import type postgres from "postgres";

/** `bytes`: as many as Storage counted. */
export async function noteStored(
  sql: postgres.Sql,
  path: string,
  bytes: number,
  bucket = "generations",
): Promise<void> {
  await sql`insert into storage.objects (bucket_id, name, created_at, updated_at, metadata)
    values (${bucket}, ${path}, genflow.clock(), genflow.clock(), jsonb_build_object('size', ${bytes}::bigint))
    on conflict do nothing`;
}
