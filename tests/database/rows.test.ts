// What a row shows beyond whose it is; who may reach which is held in tests/attack.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { maxOutputBytes } from "../../shared/backend/picture-stream.ts";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);

test("a disabled model is hidden from visitors and users", async () => {
  await sql`update public.generation_models set enabled = false where id = 'flux-dev'`;
  for (const role of ["anon", "authenticated"] as const) {
    const rows = await db.asRole(
      role,
      { role, sub: randomUUID() },
      (as) => as`select id from public.generation_models`,
    );
    expect(rows).toHaveLength(7);
  }
});

test("a deleted picture stays as a tombstone, numbered, so that who missed the push learns of it", async () => {
  const ownerId = await db.addUser();
  await scenario.completed(ownerId);
  const [image] = await sql`select id from public.generation_images`;
  await db.asUser(ownerId, (as) => as`select public.delete_images(${[image!["id"]]})`);
  const rows = await db.asUser(ownerId, (as) =>
    as`
    select deleted_at is not null as gone, seq::integer = (select max(seq)::integer from public.generation_images) as newest
    from public.generation_images where id = ${image!["id"]}`);
  expect(rows).toEqual([{ gone: true, newest: true }]);
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
    {
      id: "generations",
      public: false,
      bytes: maxOutputBytes,
      types: ["image/jpeg", "image/png", "image/webp"],
    },
  ]);
});
