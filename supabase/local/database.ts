// The stack's own touches on a migrated database: demo rows once, and the Vault values that the sweep reads.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import postgres from "postgres";

/** Runs `file` as the role `postgres`, once for a database; noted where the official CLI notes it. */
export async function seed(databaseUrl: string, file: string): Promise<void> {
  if (!existsSync(file)) return;
  const text = readFileSync(file, "utf8");
  const path = "supabase/seed.sql";
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`create table if not exists supabase_migrations.seed_files (path text primary key, hash text not null)`;
    await sql.begin(async (db) => {
      const hash = createHash("sha256").update(text).digest("hex");
      const noted = await db`
        insert into supabase_migrations.seed_files (path, hash) values (${path}, ${hash})
        on conflict (path) do nothing returning path`;
      if (noted.length > 0) await db.unsafe(text).simple();
    });
  } finally {
    await sql.end();
  }
}

/** Creates or updates each named Vault secret; create_secret alone fails for a name that exists. */
export async function setVaultSecrets(adminUrl: string, secrets: Record<string, string>): Promise<void> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    for (const [name, value] of Object.entries(secrets)) {
      const [known] = await sql<{ id: string; decrypted_secret: string }[]>`
        select id, decrypted_secret from vault.decrypted_secrets where name = ${name}`;
      if (!known) await sql`select vault.create_secret(${value}, ${name})`;
      else if (known.decrypted_secret !== value) await sql`select vault.update_secret(${known.id}, ${value})`;
    }
  } finally {
    await sql.end();
  }
}
