// The Data API alone, over a database of the test's own, and its three callers.

import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { createCallers, createTokens, startRest } from "../../supabase/local/gateway/mod.ts";
import { loadKeys } from "../../supabase/local/keys.ts";
import { type Cluster, createTemplate, type DefaultPrivileges } from "../../supabase/local/postgres/mod.ts";

export const roles = ["anon", "authenticated", "service_role"] as const;
export type ApiRole = typeof roles[number];

export interface DataApi {
  as: Record<ApiRole, SupabaseClient>;
  stop(): Promise<void>;
}

const issuer = "http://127.0.0.1/auth/v1";
const tokenSeconds = 600;

/** `directory`: for the keys. */
async function startDataApi(adminUrl: string, directory: string): Promise<DataApi> {
  const { publishableKey, secretKey, signingKey } = await loadKeys(directory);
  const tokens = await createTokens({ signingKey, issuer });
  const callers = createCallers({ publishableKey, secretKey, tokens });
  const rest = await startRest({ adminUrl, callers, log: () => {} });
  const token = await tokens.sign({ sub: randomUUID(), role: "authenticated" }, tokenSeconds);
  const client = (key: string, headers: Record<string, string> = {}) =>
    createClient("http://127.0.0.1", key, {
      auth: { persistSession: false, autoRefreshToken: false },
      global: { headers, fetch: (input, init) => rest.handle(new Request(input, init)) },
    });
  return {
    as: {
      anon: client(publishableKey),
      authenticated: client(publishableKey, { authorization: `Bearer ${token}` }),
      service_role: client(secretKey),
    },
    stop: () => rest.stop(),
  };
}

export interface OpenedDatabase {
  as: DataApi["as"];
  /** As postgres. */
  sql: postgres.Sql;
  stop(): Promise<void>;
}

/** A database whose objects were made by these migrations, and the Data API over it. `directory`: for files. */
export async function openDatabase(
  cluster: Cluster,
  directory: string,
  name: string,
  defaultPrivileges: DefaultPrivileges,
  ...migrations: string[]
): Promise<OpenedDatabase> {
  const folder = await migrationsFolder(directory, ...migrations);
  await createTemplate(cluster, { directory: folder, name, defaultPrivileges });
  const api = await startDataApi(cluster.url("supabase_admin", name), directory);
  const sql = postgres(cluster.url("postgres", name), { max: 2, onnotice: () => {} });
  return {
    as: api.as,
    sql,
    stop: async () => {
      await Promise.all([api.stop(), sql.end()]);
    },
  };
}

/** A folder of migrations, one for each text. */
export async function migrationsFolder(parent: string, ...texts: string[]): Promise<string> {
  const directory = join(parent, randomUUID());
  await mkdir(directory);
  for (const [at, text] of texts.entries()) {
    await writeFile(join(directory, `2026010100000${at}_step.sql`), text);
  }
  return directory;
}
