// Every function and procedure, called; every sequence, turned; every schema, entered and built in.

import type postgres from "postgres";
import { type Actor, attempt, isDenied, isDeniedCall, type Outcome } from "./actors.ts";
import { quoted } from "./relations.ts";

export interface Routine {
  schema: string;
  name: string;
  /** With the types of its arguments. */
  signature: string;
  call: string;
}

/** Where Postgres and the extensions keep theirs: everybody may run them. */
const passed = ["pg_catalog", "information_schema", "extensions", "attack"];

/** With arguments that the planner cannot see to be null: else it leaves out the call of a strict function. */
export async function readRoutines(sql: postgres.ISql): Promise<Routine[]> {
  return await sql<Routine[]>`
    select n.nspname as schema, p.proname as name,
      format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as signature,
      format('%s %I.%I(%s)%s', case p.prokind when 'p' then 'call' else 'select' end, n.nspname, p.proname,
        (select string_agg(format(case p.prokind when 'p' then 'null::%s' else '(select null::%s)' end,
            format_type(t.oid, null)), ', ' order by t.at)
          from unnest(p.proargtypes) with ordinality as t(oid, at)),
        case p.prokind when 'w' then ' over ()' end) as call
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname <> all(${passed})
    order by n.nspname = 'public' desc, n.nspname = 'genflow' desc, 1, 2`;
}

/** The actors who may run it: it is theirs as soon as it is not refused, whatever it then says to the null arguments. */
export async function whoRuns(sql: postgres.ISql, actors: Actor[], routines: Routine[]): Promise<string[][]> {
  const isDeniedAt = (outcome: Outcome, at: number) =>
    isDeniedCall(outcome, routines[at]!.schema, routines[at]!.name);
  return await whoMay(sql, actors, routines.map(({ call }) => call), isDeniedAt);
}

export async function readSequences(sql: postgres.ISql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, sequencename) as name from pg_sequences
    where schemaname not in ('pg_catalog', 'information_schema') order by 1`;
  return rows.map(({ name }) => name);
}

export const sequenceVerbs = {
  next: (name: string) => `select nextval('${name}')`,
  read: (name: string) => `select last_value from ${name}`,
  set: (name: string) => `select setval('${name}', 1)`,
};

export async function readSchemas(sql: postgres.ISql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select nspname as name from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'attack', 'attack_scratch', 'supabase_migrations')
    order by nspname = 'public' desc, nspname = 'genflow' desc, nspname`;
  return rows.map(({ name }) => name);
}

export const schemaVerbs = {
  // Whoever may look inside is told that there is no such table.
  use: (name: string) => `select count(*) from ${quoted(name)}.attack_nothing`,
  create: (name: string) => `create table ${quoted(name)}.attack ()`,
};

/** For each statement the names of the actors who were not refused. */
export async function whoMay(
  sql: postgres.ISql,
  actors: Actor[],
  statements: string[],
  isDeniedAt: (outcome: Outcome, statement: number) => boolean = isDenied,
): Promise<string[][]> {
  const outcomes = await attempt(
    sql,
    statements.flatMap((statement) => actors.map((actor) => ({ actor, statement }))),
  );
  return statements.map((_statement, index) =>
    actors.filter((_actor, at) => !isDeniedAt(outcomes[index * actors.length + at]!, index)).map(({ name }) =>
      name
    )
  );
}
