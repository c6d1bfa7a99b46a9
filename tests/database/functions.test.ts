import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";

const db = await openDatabase();
const { sql } = db;

test("every function is a definer with an empty search_path and an owner without superuser; only the sweep may not be", async () => {
  const rows = await sql<{ name: string }[]>`
    select p.oid::regprocedure::text as name from pg_proc p join pg_roles r on r.oid = p.proowner
    where p.pronamespace in ('public'::regnamespace, 'genflow'::regnamespace)
      and not (p.prosecdef and p.proconfig[1] = 'search_path=""' and not r.rolsuper)`;
  expect(rows.map((row) => row.name)).toEqual(["genflow.sweep()"]);
});

test("every way into the kernel goes by index, whoever owns the rows and however old the session's plans are", async () => {
  const rows = await sql<{ name: string }[]>`
    select p.proname as name from pg_proc p join pg_language l on l.oid = p.prolang
    where l.lanname = 'plpgsql' and p.pronamespace = 'public'::regnamespace
      and not p.proconfig @> array['enable_seqscan=off', 'enable_bitmapscan=off', 'plan_cache_mode=force_generic_plan']`;
  expect(rows).toEqual([]);
});

test("the kernel's functions are plpgsql or sql, volatile, and answer json or nothing", async () => {
  const rows = await sql<{ name: string; language: string; volatility: string; answer: string }[]>`
    select p.proname as name, l.lanname as language, p.provolatile as volatility, p.prorettype::regtype::text as answer
    from pg_proc p join pg_language l on l.oid = p.prolang
    where p.pronamespace = 'public'::regnamespace and has_function_privilege('service_role', p.oid, 'execute')`;
  expect(rows.map(({ name }) => name)).toContain("claim_generations");
  for (const row of rows) {
    expect(["plpgsql", "sql"]).toContain(row.language);
    expect([row.name, row.volatility]).toEqual([row.name, "v"]);
    expect(["jsonb", "void"]).toContain(row.answer);
  }
});

test("every table, function and policy of ours has a comment, and every table of public has row level security", async () => {
  const rows = await sql<{ name: string }[]>`
    select 'table ' || c.oid::regclass as name from pg_class c
      where c.relnamespace in ('public'::regnamespace, 'genflow'::regnamespace) and c.relkind = 'r' and obj_description(c.oid, 'pg_class') is null
    union all
    select 'function ' || p.oid::regprocedure from pg_proc p
      where p.pronamespace in ('public'::regnamespace, 'genflow'::regnamespace) and obj_description(p.oid, 'pg_proc') is null
    union all
    select 'policy ' || o.polname from pg_policy o join pg_class c on c.oid = o.polrelid
      where c.relnamespace = 'public'::regnamespace and obj_description(o.oid, 'pg_policy') is null
    union all
    select 'no row level security on ' || c.oid::regclass from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and not c.relrowsecurity`;
  expect(rows.map((row) => row.name).filter((name) => name !== "table genflow.harness")).toEqual([]);
});

test("no table of ours has a foreign key to auth.users: deleting a user in the dashboard must work", async () => {
  expect(
    await sql`select from pg_constraint where contype = 'f' and confrelid = 'auth.users'::regclass
    and connamespace in ('public'::regnamespace, 'genflow'::regnamespace)`,
  ).toHaveLength(0);
});

test("what the app calls refuses a call without a user", async () => {
  for (
    const call of [
      "my_account()",
      "delete_images(array[gen_random_uuid()])",
      "set_favorite(gen_random_uuid(), true)",
      "search_generations('{}')",
    ]
  ) {
    await expect(
      db.asRole("authenticated", { role: "authenticated" }, (as) => as.unsafe(`select public.${call}`)),
    )
      .rejects.toMatchObject({ code: "PT401", hint: "unauthorized" });
  }
});
