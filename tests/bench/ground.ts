// What is measured on: one durable Postgres, and a fresh database for each measurement.

import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import {
  cloneDatabase,
  type Cluster,
  createTemplate,
  startCluster,
} from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { migrationsDirectory } from "./environment.ts";

const template = "bench_template";

/** Else a million rows are loaded from one checkpoint to the next. */
const settings = { max_wal_size: "4GB" };

/** Who is measured in a database; deadlocks are counted by it. */
export type Owner = "genflow" | "floor" | "pg-boss" | "graphile-worker";

export interface Plot {
  owner: Owner;
  /** As superuser, for peers that bring their own tables and connections. */
  url: string;
  /** Superuser, one connection, no statement timeout: loading and looking. */
  admin: postgres.Sql;
  /** A pool as superuser, or in the role that the API's kernel calls have; ended with the plot. */
  connect(connections: number, options?: ConnectOptions): postgres.Sql;
  /** Ends its connections and drops the database, unless a peer's connection stays: then it goes with the server. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  role?: "service_role";
  settings?: Readonly<Record<string, string>>;
}

export interface Ground {
  admin: postgres.Sql;
  open(owner: Owner): Promise<Plot>;
  deadlocks(): Promise<Record<Owner, number>>;
  /** Stops the server and removes its data. May be called twice, and while a measurement runs. */
  close(): Promise<void>;
}

export async function openGround(): Promise<Ground> {
  const folder = await temporaryFolder();
  let cluster: Cluster | undefined;
  const remove = async () => {
    await cluster?.stop();
    await folder.remove();
  };
  try {
    cluster = await startCluster({ dataDirectory: folder.path, durable: true, settings });
    await createTemplate(cluster, { directory: migrationsDirectory, name: template });
    await finishTemplate(cluster);
  } catch (error) {
    await remove();
    throw error;
  }
  return groundOn(cluster, remove);
}

/** Messages go where hosted's go: into a partition. Without one each is lost, and costs less than it should. */
async function finishTemplate(cluster: Cluster): Promise<void> {
  const sql = postgres(cluster.url("supabase_admin", template), { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(`create table realtime.messages_all partition of realtime.messages
        for values from (minvalue) to (maxvalue);
      create extension if not exists pg_stat_statements;`);
  } finally {
    await sql.end();
  }
}

const leaveDeadlineMs = 5000;
const leavePollMs = 20;

/** Waits until nobody is connected to the database; false if somebody stays. */
async function isLeft(admin: postgres.Sql, name: string): Promise<boolean> {
  const deadline = performance.now() + leaveDeadlineMs;
  while (performance.now() < deadline) {
    const [row] =
      await admin`select from pg_stat_activity where datname = ${name} and backend_type = 'client backend'`;
    if (!row) return true;
    await delay(leavePollMs);
  }
  return false;
}

function groundOn(cluster: Cluster, remove: () => Promise<void>): Ground {
  const admin = postgres(cluster.adminUrl, { max: 1, onnotice: () => {} });
  const counted: Record<Owner, number> = { genflow: 0, floor: 0, "pg-boss": 0, "graphile-worker": 0 };
  const open = new Map<string, Owner>();
  let opened = 0;
  let closing: Promise<void> | undefined;

  const count = async (name: string, owner: Owner) => {
    const [row] = await admin<{ deadlocks: string }[]>`
      select deadlocks from pg_stat_database where datname = ${name}`;
    return counted[owner] + Number(row?.deadlocks ?? 0);
  };
  return {
    admin,
    async open(owner) {
      const name = await cloneDatabase(cluster, { template, name: `bench_${++opened}` });
      open.set(name, owner);
      const url = cluster.url("supabase_admin", name);
      const pools: postgres.Sql[] = [];
      const connect: Plot["connect"] = (connections, { role, settings = {} } = {}) => {
        const pool = postgres(url, {
          max: connections,
          onnotice: () => {},
          connection: { application_name: "bench", ...settings, ...(role ? { role } : {}) },
        });
        pools.push(pool);
        return pool;
      };
      return {
        owner,
        url,
        admin: connect(1, { settings: { statement_timeout: "0" } }),
        connect,
        async close() {
          await Promise.all(pools.map((pool) => pool.end({ timeout: 5 })));
          // A peer's pool hangs up a little after it says that it has; cut off, it would throw where nobody catches.
          if (!await isLeft(admin, name)) return;
          counted[owner] = await count(name, owner);
          open.delete(name);
          await admin`drop database ${admin(name)}`;
        },
      };
    },
    async deadlocks() {
      const all = { ...counted };
      for (const [name, owner] of open) all[owner] = await count(name, owner);
      return all;
    },
    close: () =>
      closing ??= (async () => {
        await admin.end({ timeout: 1 });
        await remove();
      })(),
  };
}
