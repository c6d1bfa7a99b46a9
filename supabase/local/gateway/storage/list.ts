// Listing one folder: its files, and its folders as entries without an id.

import type { TransactionSql } from "postgres";
import { malformed } from "./errors.ts";

interface Entry {
  name: string;
  id: string | null;
  updated_at: Date | null;
  created_at: Date | null;
  last_accessed_at: Date | null;
  metadata: Record<string, unknown> | null;
}

const SORTABLE = new Set(["name", "updated_at", "created_at", "last_accessed_at"]);
const DEFAULT_LIMIT = 100;

export async function list(
  db: TransactionSql,
  bucket: string,
  body: Record<string, unknown>,
): Promise<Entry[]> {
  const folder = String(body.prefix ?? "").replace(/^\/+|\/+$/g, "");
  const prefix = folder === "" ? "" : `${folder}/`;
  const search = String(body.search ?? "").toLowerCase();
  const sort = (body.sortBy ?? {}) as { column?: string; order?: string };
  const column = sort.column ?? "name";
  if (!SORTABLE.has(column)) throw malformed("body/sortBy/column must be equal to one of the allowed values");
  const direction = sort.order === "desc" ? db`desc` : db`asc`;
  return await db<Entry[]>`
    with visible as (
      select substr(name, length(${prefix}) + 1) as rest, id, updated_at, created_at, last_accessed_at, metadata
      from storage.objects
      where bucket_id = ${bucket} and starts_with(name, ${prefix})
    ), entries as (
      select rest as name, id, updated_at, created_at, last_accessed_at, metadata
      from visible where strpos(rest, '/') = 0 and rest <> ''
      union all
      select distinct split_part(rest, '/', 1), null::uuid, null::timestamptz, null::timestamptz, null::timestamptz,
        null::jsonb
      from visible where strpos(rest, '/') > 0
    )
    select * from entries
    where starts_with(lower(name), ${search})
    order by (id is null) desc, ${db(column)} ${direction}
    limit ${Number(body.limit ?? DEFAULT_LIMIT)} offset ${Number(body.offset ?? 0)}`;
}
