// Hosted's safeupdate: no UPDATE or DELETE without WHERE through the Data API, in functions and triggers neither.

import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { createSafeUpdate } from "../../supabase/local/gateway/safeupdate.ts";
import { readSqlCatalog } from "../../supabase/local/gateway/sql-catalog.ts";
import { type Cluster, startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { type DataApi, openDatabase, type OpenedDatabase, roles } from "./data-api.ts";

let cluster: Cluster;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  cluster = await startCluster({ dataDirectory: folder.path });
});
afterAll(async () => {
  await cluster?.stop();
  await folder?.remove();
});

const unfiltered: [name: string, does: string, command: "UPDATE" | "DELETE" | null][] = [
  ["all_in_sql", "language sql as $$ delete from public.piled $$", "DELETE"],
  ["all_in_plpgsql", "language plpgsql as $$ begin update piled set label = 'x'; end $$", "UPDATE"],
  [
    "as_owner",
    "language sql security definer set search_path = '' as $$ delete from public.piled $$",
    "DELETE",
  ],
  ["nested", "language plpgsql as $$ begin perform public.all_in_sql(); end $$", "DELETE"],
  [
    "nested_by_path",
    "language plpgsql as $$ begin if true then perform all_in_sql(); end if; end $$",
    "DELETE",
  ],
  [
    "in_cte",
    "language sql as $$ with gone as (delete from piled returning id) select from gone where id = 1 $$",
    "DELETE",
  ],
  [
    "in_loop",
    "language plpgsql as $$ declare r record; begin for r in update piled set label = 'x' returning id loop perform 1 where r.id = 1; end loop; end $$",
    "UPDATE",
  ],
  [
    "where_is_elsewhere",
    "language sql as $$ update piled set label = (select label from piled where id = 1) $$",
    "UPDATE",
  ],
  ["by_trigger", "language sql as $$ insert into public.watched values (1) $$", "DELETE"],
  ["by_cascade", "language sql as $$ delete from public.parents where id = 1 $$", "UPDATE"],
  ["where_true", "language sql as $$ update public.piled set label = label where true $$", null],
  [
    "by_key",
    "language plpgsql as $$ begin delete from piled where id = 7; update piled p set label = 'y' from watched w where p.id = w.id and false; end $$",
    null,
  ],
  [
    "only_words",
    "language plpgsql as $$ begin /* delete from piled; */ perform 'delete from piled'; -- update piled set label = ''\n perform 1 from piled for update; insert into piled values (1, 'one') on conflict (id) do update set label = excluded.label; end $$",
    null,
  ],
];

describe("safeupdate", () => {
  let opened: OpenedDatabase;
  let as: DataApi["as"];

  beforeAll(async () => {
    opened = await openDatabase(
      cluster,
      folder.path,
      "safeupdate",
      "old",
      `
      create table public.piled (id integer primary key, label text);
      create table public.watched (id integer);
      create table public.parents (id integer primary key);
      create table public.children (parent integer references public.parents (id) on delete cascade);
      ${unfiltered.map(([name, does]) => `create function public.${name}() returns void ${does};`).join("\n")}
      create function public.empty_piled() returns trigger language plpgsql as $$ begin delete from piled; return null; end $$;
      create trigger watched after insert on public.watched execute function public.empty_piled();
      create function public.relabel_piled() returns trigger language plpgsql as $$ begin update piled set label = 'z'; return null; end $$;
      create trigger gone after delete on public.children for each row execute function public.relabel_piled();
    `,
    );
    as = opened.as;
  });
  afterAll(() => opened?.stop());
  beforeEach(async () => {
    await opened.sql.unsafe(`truncate public.piled, public.watched, public.parents, public.children;
      insert into public.piled values (1, 'one'), (2, 'two');
      insert into public.parents values (1); insert into public.children values (1)`);
  });

  const rows = () => opened.sql`select id, label from public.piled order by id`;
  const untouched = [{ id: 1, label: "one" }, { id: 2, label: "two" }];
  const refusal = (command: string) => [400, {
    code: "21000",
    details: null,
    hint: null,
    message: `${command} requires a WHERE clause`,
  }];

  test.each(roles)("trap 5: %s cannot change a whole table", async (role) => {
    const updated = await as[role].from("piled").update({ label: "x" });
    expect([updated.status, { ...updated.error }]).toEqual(refusal("UPDATE"));
    const deleted = await as[role].from("piled").delete();
    expect([deleted.status, { ...deleted.error }]).toEqual(refusal("DELETE"));
    expect(await rows()).toEqual(untouched);
    expect((await as[role].from("piled").delete().gt("id", 0)).status).toBe(204);
    expect(await rows()).toEqual([]);
  });

  test.each(unfiltered)(
    "trap 5: an UPDATE or DELETE without WHERE in a called function: %s",
    async (name, _does, command) => {
      const { status, error } = await as.service_role.rpc(name);
      if (command === null) return expect([status, error]).toEqual([204, null]);
      expect([status, { ...error }]).toEqual(refusal(command));
      expect(await rows()).toEqual(untouched);
    },
  );

  test("trap 5: an UPDATE or DELETE without WHERE in a trigger of the table that is written", async () => {
    const { status, error } = await as.service_role.from("watched").insert({ id: 1 });
    expect([status, { ...error }]).toEqual(refusal("DELETE"));
    expect(await opened.sql`select from public.watched`).toHaveLength(0);
  });

  test("trap 5: a function that is mended or broken later is read anew", async () => {
    const body = (where: string) =>
      `create or replace function public.changing() returns void language sql as $$ delete from public.piled ${where} $$`;
    await opened.sql.unsafe(body("where id = 3"));
    await expect.poll(async () => (await as.service_role.rpc("changing")).status).toBe(204);
    await opened.sql.unsafe(body(""));
    await expect.poll(async () => (await as.service_role.rpc("changing")).error?.code).toBe("21000");
  });

  test("trap 5: a direct session, as pg_cron's, is not held to it", async () => {
    await opened.sql`select public.nested()`;
    expect(await rows()).toEqual([]);
  });
});

test("trap 5: no function that the API reaches has an UPDATE or DELETE without WHERE", async () => {
  const sql = postgres(inject("trapsStack").adminUrl, { max: 1 });
  const reached = await sql<{ name: string }[]>`
      select distinct 'public.' || p.proname as name
      from pg_proc p, unnest(array['anon', 'authenticated', 'service_role']) as role
      where p.pronamespace = 'public'::regnamespace and has_function_privilege(role, p.oid, 'execute')`;
  const catalog = await readSqlCatalog(sql);
  await sql.end();
  const calls = reached.map(({ name }) => ({ call: name }));
  expect(calls).toContainEqual({ call: "public.start_generation" });
  expect(createSafeUpdate(catalog).find(calls)).toBeNull();

  // The look goes deep enough to see one that is two calls away.
  const broken = catalog.functions.map((each) =>
    each.name === "lock_account" ? { ...each, body: `${each.body}; delete from genflow.accounts` } : each
  );
  expect(createSafeUpdate({ ...catalog, functions: broken }).find([{ call: "public.start_generation" }]))
    .toEqual({ command: "DELETE", within: "genflow.lock_account" });
});
