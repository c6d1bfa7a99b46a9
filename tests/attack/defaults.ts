// What the API roles get of everything that a migration makes, before it says so itself.

import postgres from "postgres";
import { type Cluster, preparePlatform } from "../../supabase/local/postgres/mod.ts";

/**
 * `new` and `old` are what hosted projects begin with, today and before 2026-05-30: both for the schema public only.
 * `wide` is a project whose operator has opened every schema to come, which the guides to custom schemas lead to.
 */
export const defaults = ["new", "old", "wide"] as const;
export type Defaults = (typeof defaults)[number];

const openEverything = ["schemas", "tables", "sequences", "functions"].map((kind) =>
  `alter default privileges for role postgres grant all on ${kind} to anon, authenticated, service_role;`
).join("\n");

/** A database that awaits its migrations. The cluster's roles must be there. */
export async function preparePlatformWith(
  cluster: Cluster,
  database: string,
  which: Defaults,
): Promise<void> {
  await preparePlatform(cluster, { database, defaultPrivileges: which === "new" ? "new" : "old" });
  if (which !== "wide") return;
  const sql = postgres(cluster.url("postgres", database), { max: 1, onnotice: () => {} });
  await sql.unsafe(openEverything).finally(() => sql.end());
}
