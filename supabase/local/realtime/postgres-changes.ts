/**
 * `postgres_changes` is not built here. A client that asks for it is let in and then told in hosted's words that its
 * table is not in the publication `supabase_realtime`, or, where it is, that the local stack has nothing to tell.
 */

import type { Sql } from "postgres";

const PUBLICATION = "supabase_realtime";
const EVENTS = ["INSERT", "UPDATE", "DELETE"];

/** What the system message says; about the first filter that hosted would refuse. */
export async function refuseChanges(sql: Sql, filters: Record<string, unknown>[]): Promise<string> {
  for (const filter of filters) {
    if (typeof filter["schema"] !== "string" && typeof filter["table"] !== "string") {
      return "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: " +
        JSON.stringify(filter);
    }
    const schema = String(filter["schema"] ?? "public");
    const table = String(filter["table"] ?? "*");
    const [found] = await sql<{ published: boolean }[]>`
      select exists (
        select from pg_catalog.pg_publication_tables
        where pubname = ${PUBLICATION} and ${schema}::text in ('*', schemaname) and ${table}::text in ('*', tablename)
      ) as published`;
    if (!found?.published) {
      return "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given " +
        `connect parameters: [event: ${eventOf(filter)}, schema: ${schema}, table: ${table}, ` +
        `filters: ${printed(filter["filter"])}, select: nil]`;
    }
  }
  return "The local stack offers no postgres_changes, though a hosted project would tell of this table: broadcast " +
    "from the database instead (realtime.send, realtime.broadcast_changes)";
}

function eventOf(filter: Record<string, unknown>): string {
  const event = String(filter["event"]).toUpperCase();
  return EVENTS.includes(event) ? event : "*";
}

/** `id=eq.5` as `[{"id", "eq", "5", false}]`, where the last tells a leading `not.` */
function printed(filter: unknown): string {
  const [, column, not, operator, value] = /^(\w+)=(not\.)?(\w+)\.(.*)$/.exec(String(filter ?? "")) ?? [];
  if (column === undefined) return "[]";
  return `[{"${column}", "${operator}", "${value}", ${not !== undefined}}]`;
}
