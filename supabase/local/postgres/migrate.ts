/**
 * Applies supabase/migrations as hosted does: in order, each in one transaction, as the role `postgres`, which
 * is no superuser and owns nothing of the platform's.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Node, parse } from "libpg-query";
import postgres from "postgres";
import type { Cluster } from "./cluster.ts";
import { refusalOf, runsAsPlatform, type Statement } from "./supautils.ts";

interface Migration {
  readonly version: string;
  readonly name: string;
  readonly path: string;
  readonly text: string;
}

const fileName = /^(\d+)_(.+)\.sql$/;

/** Answers the file names it applied. A failing statement is named with its file and line, and its file undone. */
export async function migrate(
  cluster: Cluster,
  options: { directory: string; database?: string },
): Promise<string[]> {
  const migrations = await readMigrations(options.directory);
  // Logged in as superuser, so that the few statements hosted lets `postgres` make on the platform's own tables
  // can be made in the same transaction; everything else runs under the identity of `postgres`.
  const sql = postgres(cluster.url("supabase_admin", options.database), { max: 1, onnotice: () => {} });
  try {
    await becomePostgres(sql);
    await sql.unsafe(historyTable);
    const applied = await sql<{ version: string; statements: string[] }[]>`
      select version, statements from supabase_migrations.schema_migrations`;
    const known = new Map(applied.map((row) => [row.version, row.statements]));
    const names: string[] = [];
    for (const migration of migrations) {
      const statements = await split(migration);
      const before = known.get(migration.version);
      if (before === undefined) {
        await apply(sql, migration, statements);
        names.push(`${migration.version}_${migration.name}`);
      } else if (before.join(";") !== statements.map((each) => each.text).join(";")) {
        throw new Error(
          `${migration.path} was changed after it had been applied to this database. Add a new migration, or remove the local data to start anew.`,
        );
      }
    }
    return names;
  } finally {
    await sql.end();
  }
}

/** The table of the official CLI. */
const historyTable = `
  create schema if not exists supabase_migrations;
  create table if not exists supabase_migrations.schema_migrations (
    version text primary key, statements text[], name text
  );`;

async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(names.map(async (name) => {
    const path = join(directory, name);
    const [, version, topic] = fileName.exec(name) ?? [];
    if (!version || !topic) throw new Error(`${path}: a migration is named <UTC timestamp>_<topic>.sql.`);
    return { version, name: topic, path, text: await readFile(path, "utf8") };
  }));
}

/** Cut by Postgres' own parser; its positions count bytes, not characters. */
async function split(migration: Migration): Promise<Statement[]> {
  const bytes = Buffer.from(migration.text);
  const parsed = await parse(migration.text).catch(
    (error: Error & { sqlDetails?: { cursorPosition?: number } }) => {
      const position = error.sqlDetails?.cursorPosition ?? 0;
      throw failure(migration, lineAt(migration.text, position), error.message);
    },
  );
  const found: { stmt?: Node; stmt_location?: number; stmt_len?: number }[] = parsed.stmts ?? [];
  return found.flatMap(({ stmt, stmt_location: start = 0, stmt_len: length }) => {
    if (!stmt) return [];
    const raw = bytes.subarray(start, length ? start + length : undefined).toString();
    const text = raw.trimStart();
    const line = lineAt(
      bytes.subarray(0, start).toString() + raw.slice(0, raw.length - text.length),
      Infinity,
    );
    return [{ node: stmt, text: text.trimEnd(), line }];
  });
}

async function apply(sql: postgres.Sql, migration: Migration, statements: Statement[]): Promise<void> {
  await sql.begin(async (transaction) => {
    for (const statement of statements) {
      const refusal = refusalOf(statement.node);
      if (refusal) throw failure(migration, statement.line, `42501 ${refusal}`);
      const asPlatform = runsAsPlatform(statement.node);
      try {
        if (asPlatform) await transaction`reset session authorization`;
        await transaction.unsafe(statement.text);
        if (asPlatform) await becomePostgres(transaction);
      } catch (error) {
        if (!(error instanceof postgres.PostgresError)) throw error;
        const offset = Number(error.position ?? 1) - 1;
        const details = [error.message, error.detail, error.hint, error.where].filter(Boolean).join("\n  ");
        throw failure(
          migration,
          statement.line + lineAt(statement.text, offset) - 1,
          `${error.code} ${details}`,
        );
      }
    }
    await transaction`
      insert into supabase_migrations.schema_migrations (version, name, statements)
      values (${migration.version}, ${migration.name}, ${statements.map((each) => each.text)})`;
  }).catch(async (error) => {
    await becomePostgres(sql);
    throw error;
  });
}

/** A role's own settings come with a login only, so they are brought along. */
async function becomePostgres(sql: postgres.Sql | postgres.TransactionSql): Promise<void> {
  await sql.unsafe("set session authorization postgres");
  await sql`
    select set_config(split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1), false)
    from pg_catalog.pg_db_role_setting, unnest(setconfig) as setting
    where setrole = 'postgres'::regrole and setdatabase = 0`;
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

function failure(migration: Migration, line: number, message: string): Error {
  return new Error(`${migration.path}:${line}: ${message}`);
}
