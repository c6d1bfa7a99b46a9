// One Postgres for the whole room, in a temporary folder, with one template that every file clones. In the template
// alone, time can be moved and chance be fixed: the migrations have no switch for either.
//
// GENFLOW_POSTGRES_MAJOR picks the server (17 or 15). GENFLOW_MIGRATIONS names another folder of migrations: a broken
// copy, to see the tests fail.

import { join } from "node:path";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { type Cluster, createTemplate, startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgresPort: number;
    templateDatabase: string;
  }
}

const template = "genflow_template";

const harness = `
  create table genflow.harness (seconds_ahead double precision not null default 0, random_unit double precision);
  insert into genflow.harness default values;
  create or replace function genflow.clock() returns timestamptz
  language plpgsql volatile security definer set search_path = ''
  as $$ begin return (select pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => seconds_ahead) from genflow.harness); end $$;
  create or replace function genflow.random_unit() returns double precision
  language plpgsql volatile security definer set search_path = ''
  as $$ begin return (select coalesce(random_unit, pg_catalog.random()) from genflow.harness); end $$;
  -- On a real project the Realtime service makes the partitions.
  create table realtime.messages_all partition of realtime.messages for values from (minvalue) to (maxvalue);`;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await temporaryFolder();
  const cluster = await startCluster({
    dataDirectory: folder.path,
    major: project.name === "database-15" || process.env["GENFLOW_POSTGRES_MAJOR"] === "15" ? 15 : 17,
  });
  const directory = process.env["GENFLOW_MIGRATIONS"] ??
    join(import.meta.dirname, "../../supabase/migrations");
  await createTemplate(cluster, { directory, name: template });
  await using(cluster.url("supabase_admin", template), (sql) => sql.unsafe(harness));
  project.provide("postgresPort", cluster.port);
  project.provide("templateDatabase", template);
  return async () => {
    const left = await openConnections(cluster);
    await cluster.stop();
    await folder.remove();
    if (left.length > 0) throw new Error(`connections left open: ${left.join(", ")}`);
  };
}

async function openConnections(cluster: Cluster): Promise<string[]> {
  const rows = await using(cluster.adminUrl, (sql) =>
    sql<{ name: string }[]>`
      select usename || '@' || datname as name from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`);
  return rows.map((row) => row.name);
}

async function using<Answer>(url: string, ask: (sql: postgres.Sql) => PromiseLike<Answer>): Promise<Answer> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await ask(sql);
  } finally {
    await sql.end();
  }
}
