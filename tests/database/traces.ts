// Every trace of a text, such as a user's id, in any table of ours: whatever a column's type, uuid, text, jsonb or array.

import type postgres from "postgres";

/** Table and row of each, in order. */
export async function tracesOf(text: string, sql: postgres.Sql): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'genflow'::regnamespace, 'ops'::regnamespace) and c.relkind in ('r', 'p')`;
  if (tables.length < 20) throw new Error("that cannot be all tables");
  const looks = tables.map(({ name }) =>
    `select '${name}: ' || to_jsonb(t)::text as trace from ${name} t where strpos(lower(to_jsonb(t)::text), $1) > 0`
  );
  const rows = await sql.unsafe<{ trace: string }[]>(looks.join(" union all "), [text.toLowerCase()]);
  return rows.map(({ trace }) => trace).toSorted();
}
