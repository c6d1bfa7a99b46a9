// Debian's PostgreSQL 15 with its real pg_cron, made to look like a hosted project's database, migrations applied.
//
// GENFLOW_MIGRATIONS names another folder of migrations: a broken copy, to see the tests fail.

import { chmod, cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import {
  addStandIns,
  type Cluster,
  migrate,
  preparePlatform,
  startCluster,
} from "../../supabase/local/postgres/mod.ts";
import { debianProgramsDirectory, debianShareDirectory } from "./debian-packages.ts";

const migrationsDirectory = process.env["GENFLOW_MIGRATIONS"] ??
  join(import.meta.dirname, "../../supabase/migrations");

/**
 * On hosted, supautils lets `postgres` create this extension and then gives it these privileges. Here nobody but a
 * superuser can, so it is there before the migrations come, as on a project where it was switched on by hand.
 */
const pgCronAsHosted = `
  -- Not its default "1.4-1": the schedule's migration reads a version as numbers with dots, as all later ones are.
  create extension pg_cron with schema pg_catalog version '1.4';
  grant usage on schema cron to postgres with grant option;
  grant all on all functions in schema cron to postgres with grant option;
  grant all on table cron.job_run_details to postgres with grant option;
  grant select on table cron.job to postgres with grant option;`;

/** All files go to `folder`. The packages must be installed. */
export async function startDebianCluster(folder: string): Promise<Cluster> {
  const cluster = await startCluster({
    dataDirectory: folder,
    major: 15,
    binaries: await copyPrograms(join(folder, "debian")),
    settings: {
      shared_preload_libraries: "pg_cron",
      "cron.database_name": "postgres",
      // Else it connects to the server like any client, by a socket or a password that there is not.
      "cron.use_background_workers": "on",
    },
  });
  try {
    await preparePlatform(cluster);
    const sql = postgres(cluster.adminUrl, { max: 1 });
    await sql.unsafe(pgCronAsHosted).finally(() => sql.end());
    await migrate(cluster, { directory: migrationsDirectory });
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/**
 * Postgres finds its libraries and its share folder by the way to them from its own program, so a copy laid out as
 * Debian's takes our stand-ins, and the system's own folders stay as they are.
 */
async function copyPrograms(target: string): Promise<{ initdb: string; postgres: string }> {
  for (const folder of ["", "lib", "lib/postgresql", "share", "share/postgresql"]) {
    await mkdir(join(target, folder), { recursive: true });
    await chmod(join(target, folder), 0o755); // whatever the umask: another account reads it
  }
  const programs = join(target, "lib/postgresql/15");
  const share = join(target, "share/postgresql/15");
  await Promise.all([
    cp(debianProgramsDirectory, programs, { recursive: true, verbatimSymlinks: true }),
    cp(debianShareDirectory, share, { recursive: true, verbatimSymlinks: true }),
  ]);
  await addStandIns(join(share, "extension"), ["pg_cron"]);
  return { initdb: join(programs, "bin/initdb"), postgres: join(programs, "bin/postgres") };
}
