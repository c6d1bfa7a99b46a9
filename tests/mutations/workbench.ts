// Databases with one mutant each. The state before each migration is kept as a template, so that a mutant costs its
// own file and the later ones only.

import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { type Cluster, migrate, preparePlatform } from "../../supabase/local/postgres/mod.ts";
import { type Defaults, preparePlatformWith } from "../attack/defaults.ts";
import type { Mutant } from "./mutants.ts";

export interface Workbench {
  readonly cluster: Cluster;
  /** A database with every migration, unchanged. */
  original(privileges: Defaults): Promise<string>;
  /** A database with the mutant; `failure` if a migration cannot be applied without what was taken out. */
  build(
    mutant: Mutant,
    privileges: Defaults,
  ): Promise<{ database: string; migrations: string } | { failure: string }>;
  drop(database: string): Promise<void>;
}

export async function openWorkbench(
  options: { cluster: Cluster; migrations: string; folder: string; privileges: Defaults[] },
): Promise<Workbench> {
  const { cluster, migrations, folder, privileges: modes } = options;
  const files = (await readdir(migrations)).filter((name) => name.endsWith(".sql")).sort();
  const states = new Map<string, string>();
  const stateOf = (privileges: Defaults, file: string | undefined) => `${privileges}_${file ?? "end"}`;
  let made = 0;

  const copy = async (from: string): Promise<string> => {
    const name = `mutant_${++made}`;
    await using(cluster, async (sql) => {
      await sql`create database ${sql(name)} template ${sql(from)} owner postgres`;
      // A copy has no settings of its own; this one lets the migrations to come create pg_cron in it.
      await sql`select set_config('cron.database_name', ${name}, false)`;
      await sql`alter database ${sql(name)} set cron.database_name from current`;
    });
    return name;
  };

  await preparePlatform(cluster); // the roles, which are the server's
  for (const privileges of modes) {
    let last = "template0";
    for (const file of [...files, undefined]) {
      const name = await copy(last);
      if (last === "template0") {
        await preparePlatformWith(cluster, name, privileges);
      } else await migrate(cluster, { directory: await upTo(file), database: name });
      states.set(stateOf(privileges, file), name);
      last = name;
    }
  }

  /** A folder with the files before this one. */
  async function upTo(file: string | undefined): Promise<string> {
    const before = file === undefined ? files : files.slice(0, files.indexOf(file));
    const directory = join(folder, `before-${file ?? "end"}`);
    await mkdir(directory, { recursive: true });
    await Promise.all(before.map((name) => copyFile(join(migrations, name), join(directory, name))));
    return directory;
  }

  return {
    cluster,
    original: (privileges) => copy(states.get(stateOf(privileges, undefined))!),
    async build(mutant, privileges) {
      const database = await copy(states.get(stateOf(privileges, mutant.file))!);
      const directory = join(folder, database);
      await mkdir(directory);
      await Promise.all(
        files.map((name) =>
          name === mutant.file
            ? writeFile(join(directory, name), mutant.text)
            : copyFile(join(migrations, name), join(directory, name))
        ),
      );
      try {
        await migrate(cluster, { directory, database });
        return { database, migrations: directory };
      } catch (error) {
        await using(cluster, (sql) => sql`drop database ${sql(database)} with (force)`);
        return { failure: error instanceof Error ? error.message : String(error) };
      }
    },
    async drop(database) {
      await using(cluster, (sql) => sql`drop database ${sql(database)} with (force)`);
    },
  };
}

async function using(cluster: Cluster, ask: (sql: postgres.Sql) => PromiseLike<unknown>): Promise<void> {
  const sql = postgres(cluster.adminUrl, { max: 1, onnotice: () => {} });
  try {
    await ask(sql);
  } finally {
    await sql.end();
  }
}
