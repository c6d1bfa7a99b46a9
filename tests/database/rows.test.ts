import { randomUUID } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);
const tables = [
  "generation_jobs",
  "generation_prompts",
  "generation_images",
  "generation_events",
  "credit_entries",
];

let ownerId: string;
let otherId: string;
let jobId: string;
beforeEach(async () => {
  [ownerId, otherId] = [await db.addUser(), await db.addUser()];
  jobId = (await scenario.completed(ownerId)).jobId;
  const objects = [["generations", `${ownerId}/${jobId}/0-12345678`], [
    "generation-inputs",
    `${ownerId}/a.png`,
  ]] as const;
  for (const [bucket, name] of objects) {
    await sql`insert into storage.objects (bucket_id, name) values (${bucket}, ${name})`;
  }
});

test.each(tables)(
  "the owner reads %s, another user not one row of it, nobody without a user anything",
  async (table) => {
    const count = (as: typeof sql | Parameters<Parameters<typeof db.asUser>[1]>[0]) =>
      as.unsafe<{ count: number }[]>(`select count(*)::integer as count from public.${table}`).then((rows) =>
        rows[0]!.count
      );
    expect(await db.asUser(ownerId, count)).toBeGreaterThan(0);
    expect(await db.asUser(otherId, count)).toBe(0);
    await expect(db.asRole("anon", { role: "anon" }, count)).rejects.toMatchObject({ code: "42501" });
  },
);

test("anonymous visitors read the enabled models and nothing else", async () => {
  await sql`update public.generation_models set enabled = false where id = 'flux-dev'`;
  for (const role of ["anon", "authenticated"] as const) {
    const rows = await db.asRole(
      role,
      { role, sub: otherId },
      (as) => as`select id from public.generation_models`,
    );
    expect(rows).toHaveLength(7);
  }
  const readable = await sql<{ name: string }[]>`
    select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
      and (case when c.relkind = 'S' then has_sequence_privilege('anon', c.oid, 'usage, select, update')
        else has_any_column_privilege('anon', c.oid, 'select') end)`;
  expect(readable.map((row) => row.name)).toEqual(["generation_models"]);
});

test.each(["anon", "authenticated", "service_role"])(
  "%s cannot write, empty, refer to or hang a trigger on any table of ours",
  async (role) => {
    const rows = await sql<{ granted: string }[]>`
    select c.oid::regclass || ' ' || p as granted
    from pg_class c, unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p
    where c.relnamespace in ('public'::regnamespace, 'genflow'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
      and has_table_privilege(${role}, c.oid, p)`;
    expect(rows.map((row) => row.granted)).toEqual([]);
    const sequences = await sql<{ granted: string }[]>`
    select c.oid::regclass::text as granted from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'genflow'::regnamespace) and c.relkind = 'S'
      and case when c.relkind = 'S' then has_sequence_privilege(${role}, c.oid, 'usage, select, update') end`;
    expect(sequences.map((row) => row.granted)).toEqual([]);
  },
);

test.each([...tables, "generation_models"])(
  "a signed-in user's insert, update and delete on %s are refused",
  async (table) => {
    const attempts = [
      `insert into public.${table} default values`,
      `update public.${table} set ${table === "generation_models" ? "id" : "user_id"} = null`,
      `delete from public.${table}`,
    ];
    for (const statement of attempts) {
      await expect(db.asUser(ownerId, (as) => as.unsafe(statement))).rejects.toMatchObject({ code: "42501" });
    }
  },
);

test("the schema genflow is closed to every role of the API", async () => {
  for (const role of ["anon", "authenticated", "service_role"] as const) {
    await expect(db.asRole(role, { role, sub: ownerId }, (as) => as`select * from genflow.accounts`)).rejects
      .toMatchObject({ code: "42501" });
    await expect(
      db.asRole(role, { role, sub: ownerId }, (as) => as`select genflow.fail_job(${jobId}, 'moderated')`),
    ).rejects.toMatchObject({ code: "42501" });
  }
});

test("a deleted picture stays as a tombstone, numbered, so that who missed the push learns of it", async () => {
  const [image] = await sql`select id from public.generation_images`;
  await db.asUser(ownerId, (as) => as`select public.delete_images(${[image!["id"]]})`);
  const rows = await db.asUser(ownerId, (as) =>
    as`
    select deleted_at is not null as gone, seq::integer = (select max(seq)::integer from public.generation_images) as newest
    from public.generation_images where id = ${image!["id"]}`);
  expect(rows).toEqual([{ gone: true, newest: true }]);
});

test("realtime: one's own topic may be heard, another's not, and nobody may send", async () => {
  await db.asUser(ownerId, async (as) => {
    const heard = async (topic: string) => {
      await as`select set_config('realtime.topic', ${topic}, true)`;
      return (await as`select from realtime.messages`).length > 0;
    };
    expect(await heard(`generations:${ownerId}`)).toBe(true);
    for (
      const topic of [
        `generations:${otherId}`,
        `generations:${ownerId} `,
        "generations:",
        ownerId,
        `other:${ownerId}`,
      ]
    ) {
      expect(await heard(topic)).toBe(false);
    }
  });
  await db.asRole("anon", { role: "anon" }, async (as) => {
    await as`select set_config('realtime.topic', 'generations:', true)`;
    expect(await as`select from realtime.messages`).toHaveLength(0);
  });
  for (const extension of ["broadcast", "presence"]) {
    await expect(
      db.asUser(
        ownerId,
        (as) =>
          as`insert into realtime.messages (topic, extension, payload, private) values (${`generations:${ownerId}`}, ${extension}, '{}', true)`,
      ),
    )
      .rejects.toMatchObject({ code: "42501" });
  }
});

test("storage: owners read what is under their own folder, in both buckets, and others nothing of it", async () => {
  const names = (userId: string) =>
    db.asUser(userId, (as) => as<{ name: string }[]>`select name from storage.objects`);
  expect(await names(ownerId)).toHaveLength(2);
  expect(await names(otherId)).toHaveLength(0);
  expect(await db.asRole("anon", { role: "anon" }, (as) => as`select from storage.objects`)).toHaveLength(0);
});

test("storage: only reference images are uploaded, only under one's own folder, and nothing is changed or removed", async () => {
  const upload = (bucket: string, name: string) =>
    db.asUser(ownerId, (as) => as`insert into storage.objects (bucket_id, name) values (${bucket}, ${name})`);
  await upload("generation-inputs", `${ownerId}/b.png`);
  const refused: [string, string][] = [
    ["generation-inputs", `${otherId}/b.png`],
    ["generation-inputs", `${ownerId}`],
    ["generation-inputs", `x/${ownerId}/b.png`],
    ["generations", `${ownerId}/${jobId}/1-12345678`],
  ];
  for (const [bucket, name] of refused) {
    await expect(upload(bucket, name)).rejects.toMatchObject({ code: "42501" });
  }
  const changed = await db.asUser(
    ownerId,
    (as) => as`update storage.objects set name = ${`${otherId}/stolen`} returning name`,
  );
  expect(changed).toHaveLength(0);
  const removed = await db.asUser(ownerId, async (as) => {
    await as`select set_config('storage.allow_delete_query', 'true', true)`;
    return await as`delete from storage.objects returning name`;
  });
  expect(removed).toHaveLength(0);
  await expect(
    db.asRole(
      "anon",
      { role: "anon" },
      (as) => as`insert into storage.objects (bucket_id, name) values ('generation-inputs', ${randomUUID()})`,
    ),
  ).rejects.toMatchObject({ code: "42501" });
});

test("both buckets are private and limited in size and type", async () => {
  expect(
    await sql`select id, public, file_size_limit::integer as bytes, allowed_mime_types as types from storage.buckets order by id`,
  ).toEqual([
    {
      id: "generation-inputs",
      public: false,
      bytes: 20_971_520,
      types: ["image/jpeg", "image/png", "image/webp"],
    },
    { id: "generations", public: false, bytes: 33_554_432, types: ["image/jpeg", "image/png", "image/webp"] },
  ]);
});
