// The migrations as the official CLI applies, judges and describes them, on a Postgres of hosted's version.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { type Cluster, preparePlatform, startCluster } from "../../supabase/local/postgres/mod.ts";
import { type TemporaryFolder, temporaryFolder } from "../temporary-folder.ts";
import { generateTypes, typesFile } from "./database-types.ts";
import { project, remote, supabase } from "./supabase-cli.ts";
import { standInForSupautils } from "./supautils-stand-in.ts";

let folder: TemporaryFolder;
let cluster: Cluster;
let target: string;

/** As `postgres`. */
async function query(statement: string): Promise<postgres.Row[]> {
  const sql = postgres(cluster.databaseUrl, { max: 1 });
  return await sql.unsafe(statement).finally(() => sql.end());
}

beforeAll(async () => {
  folder = await temporaryFolder();
  cluster = await startCluster({ dataDirectory: folder.path });
  target = remote(cluster.databaseUrl);
  await preparePlatform(cluster);
  await standInForSupautils(cluster);
});
afterAll(async () => {
  await cluster?.stop();
  await folder?.remove();
});

const Migrations = z.object({ migrations: z.array(z.object({ local: z.string(), remote: z.string() })) });

test("migration up applies every file to an empty database, as postgres", async () => {
  const files = (await readdir(join(project, "supabase/migrations"))).sort();
  const { stderr } = await supabase(["migration", "up", "--yes", target]);
  expect([...stderr.matchAll(/^Applying migration (.+)\.\.\.$/gm)].map(([, file]) => file)).toEqual(files);

  const { stdout } = await supabase(["migration", "list", "--output-format", "json", target]);
  const versions = files.map((file) => file.slice(0, file.indexOf("_")));
  expect(Migrations.parse(JSON.parse(stdout)).migrations).toEqual(
    versions.map((version) => ({ local: version, remote: version })),
  );
});

test("policies are all that postgres was let do to the platform's tables", async () => {
  const policies = await query(`
    select schemaname || '.' || tablename as on from pg_policies where schemaname in ('storage', 'realtime')`);
  expect(new Set(policies.map((row) => row["on"]))).toEqual(
    new Set(["storage.objects", "realtime.messages"]),
  );
  for (const table of ["storage.objects", "realtime.messages"]) {
    await expect(query(`alter table ${table} add column more text`)).rejects.toThrow(/must be owner/);
  }
});

const Advice = z.array(z.object({ name: z.string(), detail: z.string() }));

/** Name and detail of what the advisors say, without what is said of indexes that an empty database did not use. */
async function advice(): Promise<string[]> {
  const { stdout } = await supabase(["db", "advisors", "--type", "all", "--level", "info", target]);
  return Advice.parse(JSON.parse(stdout))
    .filter(({ name }) => name !== "unused_index")
    .map(({ name, detail }) => `${name}: ${detail}`);
}
/** A procedure that is SECURITY DEFINER or has a SET clause may not COMMIT, and the sweep must. All its names are qualified. */
const allowed = ["function_search_path_mutable: Function `genflow.sweep` has a role mutable search_path"];

test("the advisors find nothing but the one exception that is meant", async () => {
  expect(await advice()).toEqual(allowed);
});

test("the advisors would find a table without row security and a function without a search_path", async () => {
  await query(`
    create table public.careless (id integer primary key);
    grant select on public.careless to anon;
    create function public.careless() returns integer language sql as 'select 1';`);
  try {
    expect(await advice()).toEqual(expect.arrayContaining([
      ...allowed,
      expect.stringMatching(/^rls_disabled_in_public: .*public\.careless/),
      expect.stringMatching(/^function_search_path_mutable: .*public\.careless/),
    ]));
  } finally {
    await query("drop table public.careless; drop function public.careless();");
  }
});

test("the committed types are those of the migrations; `npm run types` renews them", async () => {
  expect(await readFile(typesFile, "utf8")).toBe(await generateTypes(cluster.databaseUrl));
});
