// What cannot be tried without knowing what it names: each policy, and the tables whose changes Realtime would tell.

import type postgres from "postgres";
import type { Line } from "./doors.ts";

export async function readPolicies(sql: postgres.ISql): Promise<Line[]> {
  const rows = await sql<{ name: string; of: string; for: string; to: string }[]>`
    select policyname as name, schemaname || '.' || tablename as of,
      lower(cmd) || case permissive when 'PERMISSIVE' then '' else ', restrictive' end as for,
      array_to_string(roles, ', ') as to
    from pg_policies order by schemaname, tablename, policyname`;
  return rows.map((row) => ({ what: `${row.name} | ${row.of} | ${row.for} | ${row.to}`, cells: [] }));
}

export async function readPublished(sql: postgres.ISql): Promise<Line[]> {
  const rows = await sql<{ table: string; publication: string }[]>`
    select schemaname || '.' || tablename as table, pubname as publication
    from pg_publication_tables order by 1, 2`;
  return rows.map((row) => ({ what: `${row.table} | ${row.publication}`, cells: [] }));
}
