// The Postgres that seeds run on: one server, one template, a database for each worker.

import { join } from "node:path";
import postgres from "postgres";
import { type Cluster, createTemplate, startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { harness, openSimulated, type SimulatedDatabase } from "./database.ts";

export interface Ground {
  readonly port: number;
  /** A fresh database; `alter` takes something out of it. */
  makeDatabase(name: string, alter?: (sql: postgres.Sql) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

const template = "simulation_template";

export async function layGround(): Promise<Ground> {
  const folder = await temporaryFolder();
  const cluster = await startCluster({
    dataDirectory: folder.path,
    // Nobody reads statistics here.
    settings: { shared_preload_libraries: "", track_activities: "off", update_process_title: "off" },
  });
  const directory = process.env["GENFLOW_MIGRATIONS"] ??
    join(import.meta.dirname, "../../supabase/migrations");
  await createTemplate(cluster, { directory, name: template });
  await asAdmin(cluster, template, (sql) => sql.unsafe(harness));
  return {
    port: cluster.port,
    async makeDatabase(name, alter) {
      await asAdmin(cluster, "postgres", (sql) => sql.unsafe(`drop database if exists ${name} with (force)`));
      await asAdmin(
        cluster,
        "postgres",
        (sql) => sql.unsafe(`create database ${name} template ${template} owner postgres`),
      );
      if (alter) await asAdmin(cluster, name, alter);
    },
    async stop() {
      await cluster.stop();
      await folder.remove();
    },
  };
}

async function asAdmin(
  cluster: Cluster,
  database: string,
  ask: (sql: postgres.Sql) => PromiseLike<unknown>,
): Promise<void> {
  const sql = postgres(cluster.url("supabase_admin", database), { max: 1, onnotice: () => {} });
  try {
    await ask(sql);
  } finally {
    await sql.end();
  }
}

export function openDatabase(port: number, name: string): SimulatedDatabase {
  return openSimulated((role) => `postgres://${role}@127.0.0.1:${port}/${name}`);
}
