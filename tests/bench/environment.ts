// What a figure stands on: the machine, the versions, the server's settings.

import { readdir, readFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join, resolve } from "node:path";
import type postgres from "postgres";

const root = resolve(import.meta.dirname, "../..");

export const migrationsDirectory = process.env["GENFLOW_MIGRATIONS"] ?? join(root, "supabase/migrations");

export interface Environment {
  cores: number;
  processor: string;
  memoryMiB: number;
  /** Processes that wanted to run in the last minute, on the average, as the run began. Far above the cores: noise. */
  loadAtStart: number;
  node: string;
  postgres: string;
  peers: Readonly<Record<string, string>>;
  lastMigration: string;
  server: Readonly<Record<string, string>>;
}

const shownSettings = [
  "fsync",
  "synchronous_commit",
  "full_page_writes",
  "wal_level",
  "wal_sync_method",
  "shared_buffers",
  "work_mem",
  "max_wal_size",
  "checkpoint_timeout",
  "autovacuum",
  "jit",
  "max_connections",
  "shared_preload_libraries",
];

export async function readEnvironment(admin: postgres.Sql): Promise<Environment> {
  const settings = await admin<{ name: string; value: string }[]>`
    select name, current_setting(name) as value from pg_settings where name in ${
    admin(shownSettings)
  } order by name`;
  const [version] = await admin<{ value: string }[]>`select current_setting('server_version') as value`;
  const migrations = (await readdir(migrationsDirectory)).filter((name) => name.endsWith(".sql")).sort();
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    loadAtStart: loadavg()[0]!,
    node: process.version,
    postgres: version!.value,
    peers: { "pg-boss": await versionOf("pg-boss"), "graphile-worker": await versionOf("graphile-worker") },
    lastMigration: migrations.at(-1) ?? "none",
    server: Object.fromEntries(settings.map(({ name, value }) => [name, value])),
  };
}

async function versionOf(name: string): Promise<string> {
  const manifest: unknown = JSON.parse(
    await readFile(join(root, "node_modules", name, "package.json"), "utf8"),
  );
  if (typeof manifest !== "object" || manifest === null || !("version" in manifest)) {
    throw new Error(`${name} has no version`);
  }
  return String(manifest.version);
}

export function describeEnvironment(environment: Environment): string {
  const { cores, processor, memoryMiB, loadAtStart, node, postgres, peers, lastMigration, server } =
    environment;
  return [
    `Machine: ${cores} cores (${processor}), ${memoryMiB} MiB; load at the start ${loadAtStart.toFixed(2)}.`,
    `Node ${node}, PostgreSQL ${postgres}, ` +
    Object.entries(peers).map(([name, version]) => `${name} ${version}`).join(", ") +
    `; migrations up to ${lastMigration}.`,
    `Server: ${Object.entries(server).map(([name, value]) => `${name} = ${value}`).join(", ")}.`,
    "Clients, load generators and server share the cores.",
  ].join("\n");
}
