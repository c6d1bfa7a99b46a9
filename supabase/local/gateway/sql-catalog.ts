// Functions, triggers and handed-on changes of a database, as far as a reader of function bodies needs them.

import type postgres from "postgres";
import type { Event } from "./sql-commands.ts";

export interface SqlCatalog {
  functions: FunctionRow[];
  triggers: TriggerRow[];
  cascades: CascadeRow[];
}

/** In SQL or PL/pgSQL. */
export interface FunctionRow {
  id: number;
  schema: string;
  name: string;
  body: string;
  /** `name=value`, from its SET clauses. */
  settings: string[];
}

export interface TriggerRow {
  schema: string;
  table: string;
  event: Event;
  function_id: number;
}

/** A delete or update of one table that a foreign key hands on to another. */
export interface CascadeRow {
  schema: string;
  table: string;
  event: Event;
  to_schema: string;
  to_table: string;
  to_event: Event;
}

export async function readSqlCatalog(sql: postgres.Sql): Promise<SqlCatalog> {
  const [functions, triggers, cascades] = await Promise.all([
    readFunctions(sql),
    readTriggers(sql),
    readCascades(sql),
  ]);
  return { functions, triggers, cascades };
}

function readFunctions(sql: postgres.Sql): Promise<FunctionRow[]> {
  return sql<FunctionRow[]>`
    select p.oid::integer as id, n.nspname as schema, p.proname as name,
      coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) as body, coalesce(p.proconfig, '{}') as settings
    from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      join pg_catalog.pg_language l on l.oid = p.prolang
    where l.lanname in ('sql', 'plpgsql') and n.nspname not in ('pg_catalog', 'information_schema')
    order by p.oid`;
}

function readTriggers(sql: postgres.Sql): Promise<TriggerRow[]> {
  return sql<TriggerRow[]>`
    select n.nspname as schema, c.relname as table, event.name as event, t.tgfoid::integer as function_id
    from pg_catalog.pg_trigger t
      join pg_catalog.pg_class c on c.oid = t.tgrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join (values (4, 'insert'), (8, 'delete'), (16, 'update'), (32, 'truncate')) as event (bit, name)
        on t.tgtype & event.bit > 0
    where not t.tgisinternal and t.tgenabled in ('O', 'A')
    order by t.oid`;
}

function readCascades(sql: postgres.Sql): Promise<CascadeRow[]> {
  return sql<CascadeRow[]>`
    select np.nspname as schema, parent.relname as table, action.event, nc.nspname as to_schema,
      child.relname as to_table,
      case when action.event = 'delete' and action.kind = 'c' then 'delete' else 'update' end as to_event
    from pg_catalog.pg_constraint k
      join pg_catalog.pg_class parent on parent.oid = k.confrelid
      join pg_catalog.pg_namespace np on np.oid = parent.relnamespace
      join pg_catalog.pg_class child on child.oid = k.conrelid
      join pg_catalog.pg_namespace nc on nc.oid = child.relnamespace
      cross join lateral (values ('delete', k.confdeltype), ('update', k.confupdtype)) as action (event, kind)
    where k.contype = 'f' and action.kind in ('c', 'n', 'd')
    order by k.oid`;
}
