// The matrix of a database as Markdown: every object of its catalogue against every actor.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { type Actor, actorNames, actorsOf } from "./actors.ts";
import { bucketProbes } from "./buckets.ts";
import { callProbes, type Line, probe } from "./doors.ts";
import { readPolicies, readPublished } from "./policies.ts";
import { attackRelation, readRelations, type Relation } from "./relations.ts";
import {
  readRoutines,
  readSchemas,
  readSequences,
  type Routine,
  schemaVerbs,
  sequenceVerbs,
  whoMay,
  whoRuns,
} from "./routines.ts";
import { type Scene, setScene } from "./scene.ts";
import { topicProbes } from "./topics.ts";

const nobody = "–";
const ours = new Set(["public", "genflow", "ops"]);

/** `adminUrl`: superuser, in a migrated database of its own, where the scene stays. Answers the table's lines. */
export async function attackDatabase(adminUrl: string): Promise<string[]> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(await readFile(join(import.meta.dirname, "attempt.sql"), "utf8"));
    // On a real project the Realtime service makes the partitions.
    await sql`create table realtime.messages_all partition of realtime.messages
      for values from (minvalue) to (maxvalue)`;
    const scene = await setScene(sql);
    const actors = actorsOf(scene);
    const relations = await readRelations(sql);
    const routines = await readRoutines(sql);
    const ownRoutines = routines.filter(({ schema }) => ours.has(schema));
    const otherRoutines = routines.filter(({ schema }) => !ours.has(schema));
    return [
      // Aligned columns would make lines of a thousand characters.
      "<!-- deno-fmt-ignore-file -->",
      "",
      "# Who may do what",
      "",
      "What is not allowed here must fail. Made by `npm run attack:table`, compared with every attempt by the tests.",
      "`owner` and `other` are signed in, each with rows of their own.",
      ...table(
        "Tables and views",
        ["relation", "columns"],
        await attackRelations(sql, scene, actors, relations),
      ),
      ...list("Functions and procedures", ownRoutines, await whoRuns(sql, actors, ownRoutines)),
      ...list(
        "Functions of the platform that may be run",
        otherRoutines,
        await whoRuns(sql, actors, otherRoutines),
        { onlyRun: true },
      ),
      ...table("Schemas", ["schema"], await attackNames(sql, actors, await readSchemas(sql), schemaVerbs)),
      ...table(
        "Sequences",
        ["sequence"],
        await attackNames(sql, actors, await readSequences(sql), sequenceVerbs),
      ),
      ...table("Policies", ["policy", "of", "for", "to"], await readPolicies(sql), { actors: [] }),
      ...table("Tables whose changes Realtime tells", ["table", "publication"], await readPublished(sql), {
        actors: [],
      }),
      ...table("Buckets", ["attempt"], await probe(sql, actors, await bucketProbes(sql))),
      ...table("Topics", ["attempt"], await probe(sql, actors, topicProbes())),
      ...table("Calls with somebody's ids", ["attempt"], await probe(sql, actors, callProbes())),
      ...await openTheDoor(sql, scene, actors, relations, ownRoutines),
    ];
  } finally {
    await sql.unsafe("drop schema if exists attack cascade; drop schema if exists attack_scratch cascade");
    await sql.end();
  }
}

async function attackRelations(
  sql: postgres.Sql,
  scene: Scene,
  actors: Actor[],
  relations: Relation[],
): Promise<Line[]> {
  const lines: Line[] = [];
  for (const relation of relations) {
    const { schema, name, columns } = relation;
    const listed = ours.has(schema) ? columns.map((column) => column.name).join(", ") : "of the platform";
    const cells = await attackRelation(sql, scene, actors, relation);
    lines.push({ what: `${schema}.${name} | ${listed}`, cells });
  }
  return lines;
}

async function attackNames(
  sql: postgres.Sql,
  actors: Actor[],
  names: string[],
  verbs: Record<string, (name: string) => string>,
): Promise<Line[]> {
  const plan = names.flatMap((name) =>
    Object.entries(verbs).map(([verb, of]) => ({ name, verb, statement: of(name) }))
  );
  const allowed = await whoMay(sql, actors, plan.map(({ statement }) => statement));
  return names.map((name) => ({
    what: name,
    cells: actors.map((actor) =>
      plan.filter((step, index) => step.name === name && allowed[index]?.includes(actor.name))
        .map(({ verb }) => verb).join(", ")
    ),
  }));
}

/** A closed schema hides what stands open in it. What an operator's `grant usage` would let out must be nothing. */
async function openTheDoor(
  sql: postgres.Sql,
  scene: Scene,
  actors: Actor[],
  relations: Relation[],
  routines: Routine[],
): Promise<string[]> {
  await sql`grant usage on schema genflow to anon, authenticated, service_role`;
  const inside = relations.filter(({ schema }) => schema === "genflow");
  const within = routines.filter(({ schema }) => schema === "genflow");
  const found = (await attackRelations(sql, scene, actors, inside))
    .filter(({ cells }) => cells.some(Boolean));
  const runs = await whoRuns(sql, actors, within);
  await sql`revoke usage on schema genflow from anon, authenticated, service_role`;
  return [
    ...table("Tables that an opened schema genflow would let out", ["relation", "columns"], found),
    ...list("Functions that an opened schema genflow would let out", within, runs, { onlyRun: true }),
  ];
}

function table(
  title: string,
  heads: string[],
  lines: Line[],
  { actors = actorNames }: { actors?: readonly string[] } = {},
): string[] {
  return [
    "",
    `## ${title}`,
    "",
    ...lines.length === 0 ? ["None."] : [
      `| ${[...heads, ...actors].join(" | ")} |`,
      `|${" --- |".repeat(heads.length + actors.length)}`,
      ...lines.map(({ what, cells }) => `| ${[what, ...cells.map((cell) => cell || nobody)].join(" | ")} |`),
    ],
  ];
}

function list(title: string, routines: Routine[], allowed: string[][], { onlyRun = false } = {}): string[] {
  const named = routines.map(({ signature }, index) => ({ what: signature, roles: allowed[index] ?? [] }))
    .filter(({ roles }) => !onlyRun || roles.length > 0)
    .map(({ what, roles }) => ({ what, cells: [roles.join(", ")] }));
  return table(title, ["name"], named, { actors: ["may be run by"] });
}
