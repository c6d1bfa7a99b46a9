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

/**
 * What the API roles may do with what a migration makes in public. "new": nothing until it is granted, as on hosted
 * projects since 2026-05-30 and on all since 2026-10-30. "old": everything.
 */
export type DefaultPrivileges = "new" | "old";

export interface PlatformOptions {
  /** Default: "postgres". */
  database?: string;
  /** Default: "new". */
  defaultPrivileges?: DefaultPrivileges;
}

/** Gives a database what a hosted project starts with. Run as often as you like; 0.1 s when all is there. */
export async function preparePlatform(cluster: Cluster, options: PlatformOptions = {}): Promise<void> {
  const { database = "postgres", defaultPrivileges = "new" } = options;
  const names = defaultPrivileges === "new" ? [...perDatabase, "new-default-privileges.sql"] : perDatabase;
  const files = await Promise.all(
    ["roles.sql", ...names].map((name) => readFile(join(platformDirectory, name), "utf8")),
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
      if (database === "postgres") return;
      // pg_cron lives in one database of a server: here in each that stands for a project's.
      await transaction`select set_config('cron.database_name', ${database}, false)`;
      await transaction`alter database ${target(database)} set cron.database_name from current`;
    });
  } finally {
    await Promise.all([shared.end(), target.end()]);
  }
}

/** Makes the template anew: platform and migrations, and nobody connected to it. */
export async function createTemplate(
  cluster: Cluster,
  options: { directory: string; name: string; defaultPrivileges?: DefaultPrivileges },
): Promise<void> {
  const { directory, name, defaultPrivileges } = options;
  const sql = connect(cluster.adminUrl);
  try {
    await sql`drop database if exists ${sql(name)} with (force)`;
    await sql`create database ${sql(name)} template template0`;
  } finally {
    await sql.end();
  }
  await preparePlatform(cluster, { database: name, defaultPrivileges });
  await migrate(cluster, { directory, database: name });
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
