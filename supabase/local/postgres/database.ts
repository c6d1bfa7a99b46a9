/** Databases of a cluster: made like a hosted project's, kept as a template, cloned for each test file. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import type { Cluster } from "./cluster.ts";
import { migrate } from "./migrate.ts";

const platformDirectory = join(import.meta.dirname, "platform");
const perDatabase = ["schemas.sql", "auth.sql", "storage.sql", "realtime.sql"];

/** Any number will do, as long as it is always the same: two callers must not alter one role at once. */
const platformLock = 7_325_001;

/** Gives a database what a hosted project starts with. Run as often as you like; 0.1 s when all is there. */
export async function preparePlatform(cluster: Cluster, database = "postgres"): Promise<void> {
  const files = await Promise.all(
    ["roles.sql", ...perDatabase].map((name) => readFile(join(platformDirectory, name), "utf8")),
  );
  const [roles, ...rest] = files;
  // Advisory locks are per database: this one, that all callers share, guards the roles, which are per server.
  const shared = connect(cluster.adminUrl);
  const target = connect(cluster.url("supabase_admin", database));
  try {
    await shared.begin(async (transaction) => {
      await transaction`select pg_advisory_xact_lock(${platformLock})`;
      await transaction.unsafe(roles!);
    });
    await target.begin(async (transaction) => {
      await transaction`select pg_advisory_xact_lock(${platformLock})`;
      await transaction.unsafe(rest.join("\n"));
    });
  } finally {
    await Promise.all([shared.end(), target.end()]);
  }
}

/** Makes the template anew: platform and migrations, and nobody connected to it. */
export async function createTemplate(
  cluster: Cluster,
  options: { directory: string; name: string },
): Promise<void> {
  const sql = connect(cluster.adminUrl);
  try {
    await sql`drop database if exists ${sql(options.name)} with (force)`;
    await sql`create database ${sql(options.name)} template template0`;
  } finally {
    await sql.end();
  }
  await preparePlatform(cluster, options.name);
  await migrate(cluster, { directory: options.directory, database: options.name });
}

/** A copy of the template, owned by `postgres` as the original is: ownership is the one thing not copied. */
export async function cloneDatabase(
  cluster: Cluster,
  options: { template: string; name: string },
): Promise<string> {
  const sql = connect(cluster.adminUrl);
  try {
    await sql`create database ${sql(options.name)} template ${sql(options.template)} owner postgres`;
  } finally {
    await sql.end();
  }
  return options.name;
}

/** One connection; notices such as "already exists, skipping" are what idempotence looks like. */
function connect(url: string): postgres.Sql {
  return postgres(url, { max: 1, onnotice: () => {} });
}
