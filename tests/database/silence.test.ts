// What the database would write into its log about words: the error that a caller gets and the log's lines are the
// same fields. Constraints are read from the catalogue, so a new one must stand here before it can print a row.

import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { beforeEach, expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, prompt } from "./scenario.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);
const words = "zebra-lantern über Brücken";

let userId: string;
let jobId: string;
beforeEach(async () => {
  userId = await db.addUser();
  jobId = await scenario.start(userId);
});

/** All that the database tells of a statement that fails. */
async function told(
  failing: PromiseLike<unknown>,
): Promise<{ code: string; constraint: string; text: string }> {
  try {
    await failing;
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    const { code, message, detail = "", hint = "", where = "", constraint_name: constraint = "" } = error;
    return { code, constraint, text: [message, detail, hint, where].join("\n") };
  }
  throw new Error("nothing failed");
}

test("the search finds words where a table does print its rows", async () => {
  await sql`create temp table careless (words text, number integer check (number > 0))`;
  const { text } = await told(sql`insert into careless (words, number) values (${words}, 0)`);
  expect(text).toContain(words);
});

/** Every constraint of the table that holds words, and a statement that violates it with words in its row. */
const violations: Record<string, () => PromiseLike<unknown>> = {
  "not null job_id": () =>
    sql`insert into public.generation_prompts (job_id, user_id, prompt) values (null, ${userId}, ${words})`,
  generation_prompts_pkey: () =>
    sql`insert into public.generation_prompts (job_id, user_id, prompt) values (${jobId}, ${userId}, ${words})`,
  generation_prompts_job_id_fkey: () =>
    sql`insert into public.generation_prompts (job_id, user_id, prompt) values (${randomUUID()}, ${userId}, ${words})`,
};

test("every constraint of the words' table is one that is violated here", async () => {
  const found = await sql<{ name: string }[]>`
    select conname as name from pg_constraint
      where conrelid = 'public.generation_prompts'::regclass and contype <> 'n'
    union all
    select 'not null ' || attname from pg_attribute
      where attrelid = 'public.generation_prompts'::regclass and attnum > 0 and attnotnull`;
  expect(found.map(({ name }) => name).sort()).toEqual(Object.keys(violations).sort());
  const [domains] = await sql`
    select count(*)::integer from pg_attribute a join pg_type t on t.oid = a.atttypid
      where attrelid = 'public.generation_prompts'::regclass and attnum > 0 and t.typtype = 'd'`;
  expect(domains).toEqual({ count: 0 });
});

test.each(Object.keys(violations))(
  "%s is violated without a word in what the database tells",
  async (name) => {
    const { code, text } = await told(violations[name]!());
    expect(code).toMatch(/^23/);
    expect(text).not.toContain(words.slice(0, 5));
  },
);

test("taking the job from words is refused in the same silence", async () => {
  await sql`update public.generation_prompts set prompt = ${words} where job_id = ${jobId}`;
  const { code, text } = await told(
    sql`update public.generation_prompts set job_id = null where job_id = ${jobId}`,
  );
  expect(code).toBe("23502");
  expect(text).not.toContain(words.slice(0, 5));
});

test("after a whole job no other table holds its words", async () => {
  await scenario.completed(userId);
  const holders: string[] = [];
  for (
    const { name } of await sql<{ name: string }[]>`
      select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname in ('public', 'genflow', 'realtime', 'net', 'cron')`
  ) {
    const [row] = await sql`
      select count(*)::integer as rows from ${sql.unsafe(name)} t where t::text like ${`%${
      prompt.slice(0, 12)
    }%`}`;
    if (row?.["rows"] > 0) holders.push(name);
  }
  expect(holders).toEqual(["generation_prompts"]);
});
