// Every column of every table and view: select, insert, update; and what can be done to the whole.

import type postgres from "postgres";
import { type Actor, type Attempt, attempt, isDenied, isForbiddenRow, type Outcome } from "./actors.ts";
import type { Scene } from "./scene.ts";

export interface Relation {
  schema: string;
  name: string;
  kind: "table" | "view";
  columns: { name: string; generated: boolean }[];
  /** How many columns its primary key has. */
  keyColumns: number;
}

export async function readRelations(sql: postgres.ISql): Promise<Relation[]> {
  return await sql<Relation[]>`
    select n.nspname as schema, c.relname as name,
      case when c.relkind in ('v', 'm') then 'view' else 'table' end as kind,
      (select jsonb_agg(jsonb_build_object('name', a.attname,
          'generated', a.attgenerated <> '' or a.attidentity = 'a') order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
      coalesce((select i.indnkeyatts from pg_index i where i.indrelid = c.oid and i.indisprimary), 0) as "keyColumns"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
      and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'attack', 'attack_scratch', 'supabase_migrations')
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e'
        and n.nspname = 'extensions')
    order by n.nspname = 'public' desc, n.nspname = 'genflow' desc, n.nspname, c.relname`;
}

/** Whose a row is, as far as its columns tell. */
function ownerOf({ schema, name, columns }: Relation): string {
  const has = (column: string) => columns.some((each) => each.name === column);
  if (`${schema}.${name}` === "auth.users") return "id::text";
  if (has("user_id")) return "user_id::text";
  if (has("job_id")) return "(select j.user_id::text from public.generation_jobs j where j.id = job_id)";
  if (`${schema}.${name}` === "storage.objects") return "split_part(name, '/', 1)";
  if (has("path")) return "split_part(path, '/', 1)";
  if (`${schema}.${name}` === "realtime.messages") return "split_part(topic, ':', 2)";
  return "null::text";
}

interface Counts {
  total: number;
  owner: number;
  other: number;
}

async function countRows(sql: postgres.ISql, relation: Relation, scene: Scene): Promise<Counts> {
  const [counts] = await sql<Counts[]>`
    select count(*)::integer as total,
      (count(*) filter (where whose = ${scene.owner.id}))::integer as owner,
      (count(*) filter (where whose = ${scene.other.id}))::integer as other
    from (select ${sql.unsafe(ownerOf(relation))} as whose from ${sql(relation.schema)}.${
    sql(relation.name)
  }) each_row`;
  return counts!;
}

const wholeVerbs = ["delete", "truncate", "lock", "trigger", "references"] as const;
/** `overwrite` reads nothing: an update needs the right to read what it reads. */
const columnVerbs = ["select", "insert", "update", "overwrite"] as const;

function statementFor(
  verb: (typeof columnVerbs)[number],
  relation: Relation,
  column: Relation["columns"][number],
): string {
  const at = `${quoted(relation.schema)}.${quoted(relation.name)}`;
  const of = quoted(column.name);
  if (verb === "select") return `select count(*) from (select ${of} from ${at}) seen`;
  if (verb === "insert") return `insert into ${at} (${of}) values (default)`;
  if (verb === "overwrite") return `update ${at} set ${of} = default where false`;
  return `update ${at} set ${of} = ${column.generated ? "default" : of}`;
}

function wholeStatement(verb: (typeof wholeVerbs)[number], relation: Relation): string {
  const at = `${quoted(relation.schema)}.${quoted(relation.name)}`;
  const key = Array.from({ length: relation.keyColumns }, (_, index) => `key_${index}`);
  switch (verb) {
    case "delete":
      return `delete from ${at}`;
    case "truncate":
      return `truncate ${at}`;
    case "lock":
      return `lock table ${at} in access exclusive mode`;
    case "trigger":
      return `create trigger attack after insert on ${at} for each row execute function pg_catalog.suppress_redundant_updates_trigger()`;
    case "references":
      return `create table attack_scratch.attack (${
        key.map((one) => `${one} text, `).join("")
      }foreign key (${key}) references ${at})`;
  }
}

/** What each actor can do to the relation, in words: "select own; update all (label)". */
export async function attackRelation(
  sql: postgres.ISql,
  scene: Scene,
  actors: Actor[],
  relation: Relation,
): Promise<string[]> {
  const counts = await countRows(sql, relation, scene);
  const verbs = wholeVerbs.filter((verb) =>
    relation.kind === "table" ? verb !== "references" || relation.keyColumns > 0 : verb === "delete"
  );
  const plan = actors.flatMap((actor): (Attempt & { verb: string; column: string | null })[] => [
    ...columnVerbs.flatMap((verb) =>
      relation.columns.map((column) => (
        { actor, verb, column: column.name, statement: statementFor(verb, relation, column) }
      ))
    ),
    ...verbs.map((verb) => ({ actor, verb, column: null, statement: wholeStatement(verb, relation) })),
  ]);
  const outcomes = await attempt(sql, plan);
  return actors.map((actor) => {
    const found = new Map<string, string[]>();
    const updated = new Set<string | null>();
    plan.forEach((step, index) => {
      if (step.actor !== actor) return;
      const result = resultOf(step.verb, outcomes[index]!, counts, actor);
      if (step.verb === "update" && result !== null) updated.add(step.column);
      if (result === null || (step.verb === "overwrite" && updated.has(step.column))) return;
      found.set(result, [...(found.get(result) ?? []), ...(step.column === null ? [] : [step.column])]);
    });
    return [...found].map(([result, columns]) =>
      columns.length === 0 || columns.length === relation.columns.length
        ? result
        : `${result} (${columns.join(", ")})`
    ).join("; ");
  });
}

function resultOf(verb: string, outcome: Outcome, counts: Counts, actor: Actor): string | null {
  if (isDenied(outcome)) return null;
  if (isForbiddenRow(outcome)) return `${verb} by policy`;
  if (outcome.code !== null) return verb === "insert" ? verb : `${verb} (${outcome.code})`;
  if (verb !== "select" && verb !== "update" && verb !== "delete") return verb;
  const rows = Number(verb === "select" ? outcome.value : outcome.rows);
  if (rows === 0) return counts.total === 0 ? `${verb} of none` : `${verb} nothing`;
  const own = actor.name === "owner" || actor.name === "other" ? counts[actor.name] : 0;
  if (rows === own && own < counts.total) return `${verb} own`;
  return rows === counts.total ? `${verb} all` : `${verb} some`;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
