// Storage: what SQL may not delete, what a trigger sees, and what a signed URL is good for.

import { access } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { image, openProject, ownFolders, stack, type StorageProject } from "./storage-project.ts";

const bucket = "trap-storage";
let project: StorageProject;
const inFolder = (name: string) => `${project.userId}/${name}`;
const files = () => project.client.storage.from(bucket);

beforeAll(async () => {
  project = await openProject();
  await ownFolders(project, bucket, { bytes: 1000, mimeTypes: ["image/*"] });
});
afterAll(() => project?.stop());

describe("deleting by SQL", () => {
  test.each([
    "delete from storage.objects where false",
    `delete from storage.objects where bucket_id = '${bucket}'`,
    "delete from storage.buckets where id = 'there is none'",
  ])("trap 25: %s is refused, also where no row matches", async (statement) => {
    for (const role of ["postgres", "service_role"]) {
      const deleting = project.sql.begin(async (transaction) => {
        await transaction.unsafe(`set local role ${role}`);
        await transaction.unsafe(statement);
      });
      await expect(deleting).rejects.toMatchObject({
        code: "42501",
        message: "Direct deletion from storage tables is not allowed. Use the Storage API instead.",
      });
    }
  });

  test("trap 25: a cascade that reaches the objects is refused too", async () => {
    // Undone by its own failure: the other files' uploads never meet the constraint.
    await expect(project.admin.begin(async (sql) => {
      await sql`create table public.trap_albums (id text primary key)`;
      await sql`insert into public.trap_albums values ('of nobody')`;
      await sql`alter table storage.objects add constraint trap_albums
        foreign key (owner_id) references public.trap_albums (id) on delete cascade not valid`;
      await sql`delete from public.trap_albums where id = 'of nobody'`;
    })).rejects.toMatchObject({ code: "42501", message: expect.stringContaining("Direct deletion") });
  });

  test("trap 25: the setting that lifts the guard deletes the row and leaves the bytes behind", async () => {
    const path = inFolder("orphan.png");
    await files().upload(path, image(10));
    const version = await project.sql.begin(async (transaction) => {
      await transaction`set local storage.allow_delete_query = 'true'`;
      const [row] = await transaction`delete from storage.objects where name = ${path} returning version`;
      return String(row?.["version"]);
    });
    expect((await files().download(path)).error).toMatchObject({ status: 400 });
    const blob = join(stack.dataDirectory, "storage", version.slice(0, 2), version);
    await expect(access(blob)).resolves.toBeUndefined();
  });

  test("trap 25: the API deletes the row and the bytes", async () => {
    const path = inFolder("deleted.png");
    await files().upload(path, image(10));
    const [row] = await project.sql`select version from storage.objects where name = ${path}`;
    const blob = join(stack.dataDirectory, "storage", row?.["version"].slice(0, 2), row?.["version"]);
    await expect(access(blob)).resolves.toBeUndefined();
    expect((await files().remove([path])).data).toHaveLength(1);
    await expect(access(blob)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("a trigger on the objects", () => {
  const seen = async () => {
    const [row] = await project.sql`select
      (select last_value * is_called::integer from public.trap_28_rehearsed)::integer as rehearsed,
      (select last_value * is_called::integer from public.trap_28_written)::integer as written,
      (select last_value * is_called::integer from public.trap_28_otherwise)::integer as otherwise`;
    return row;
  };

  // Sequences, because they keep what a rolled-back transaction did.
  test("trap 28: it fires twice, first in a rehearsal without a size, as the user, that is rolled back", async () => {
    await project.sql.unsafe(`
      create sequence public.trap_28_rehearsed;
      create sequence public.trap_28_written;
      create sequence public.trap_28_otherwise;
      create function public.trap_28() returns trigger language plpgsql security invoker set search_path = '' as $$
      begin
        perform pg_catalog.nextval(case
          when new.version = '1' and current_user = 'authenticated'
            and array(select pg_catalog.jsonb_object_keys(new.metadata) order by 1) = '{contentLength,mimetype}'
            and new.metadata ->> 'mimetype' = 'image/png'
            then 'public.trap_28_rehearsed'
          when new.version <> '1' and current_user = 'service_role' and new.metadata ->> 'size' = '100'
            then 'public.trap_28_written'
          else 'public.trap_28_otherwise'
        end);
        return new;
      end $$;
      grant usage on sequence public.trap_28_rehearsed, public.trap_28_written, public.trap_28_otherwise
        to authenticated, service_role;
      create trigger trap_28 before insert on storage.objects
        for each row when (new.bucket_id = '${bucket}') execute function public.trap_28();`);
    try {
      const form = await files().upload(inFolder("form.png"), image(100));
      expect(form.error).toBeNull();
      expect(await seen()).toEqual({ rehearsed: 1, written: 1, otherwise: 0 });
      const raw = await files().upload(inFolder("raw.png"), new Uint8Array(100), {
        contentType: "image/png",
      });
      expect(raw.error).toBeNull();
      expect(await seen()).toEqual({ rehearsed: 2, written: 2, otherwise: 0 });
      expect((await files().upload(inFolder("raw.png"), image(100))).error).toMatchObject({
        statusCode: "409",
      });
      expect(await seen()).toEqual({ rehearsed: 3, written: 2, otherwise: 0 });
    } finally {
      await project.admin`drop trigger trap_28 on storage.objects`;
    }
  });

  test("trap 28: so one that wants a size refuses every upload, as a 500 that says little", async () => {
    await project.sql.unsafe(`
      create function public.trap_28_size() returns trigger language plpgsql set search_path = '' as $$
      begin
        if new.metadata -> 'size' is null then raise exception 'a picture has a size'; end if;
        return new;
      end $$;
      create trigger trap_28_size before insert on storage.objects
        for each row when (new.bucket_id = '${bucket}') execute function public.trap_28_size();`);
    try {
      const { error } = await files().upload(inFolder("sized.png"), image(100));
      expect(error).toMatchObject({
        status: 500,
        statusCode: "500",
        code: "DatabaseError",
        message: "database error, code: P0001",
      });
    } finally {
      await project.admin`drop trigger trap_28_size on storage.objects`;
    }
  });

  test("trap 28: the policies are asked before the bytes are read, of a raw body and of a form", async () => {
    const refused = {
      status: 400,
      body: expect.objectContaining({ code: "AccessDenied", statusCode: "403" }),
    };
    const path = `/object/${bucket}/of-another/x.png`;
    expect(await project.begin(path, { "content-type": "image/png" }, "")).toEqual(refused);
    const head =
      '--b\r\nContent-Disposition: form-data; name=""; filename="x.png"\r\nContent-Type: image/png\r\n\r\n';
    expect(await project.begin(path, { "content-type": "multipart/form-data; boundary=b" }, head))
      .toEqual(refused);
  });
});

describe("signed URLs and transformed images", () => {
  test("trap 29: an image is not transformed on a plan without it: a true 403, whoever asks", async () => {
    const off = {
      status: 403,
      body: {
        statusCode: "403",
        error: "FeatureNotEnabled",
        code: "FeatureNotEnabled",
        message: "feature not enabled for this tenant",
      },
    };
    for (const way of ["authenticated", "public", "sign"]) {
      const path = `/render/image/${way}/${bucket}/${inFolder("x.png")}?width=100`;
      expect(await project.call("GET", path)).toEqual(off);
      expect(await project.call("GET", path, { headers: {} })).toEqual(off);
    }
  });

  test("trap 29: a signed URL that asks for a transformation gives the original", async () => {
    const path = inFolder("original.png");
    await files().upload(path, image(100));
    const { data } = await files().createSignedUrl(path, 60, { transform: { width: 10, height: 10 } });
    expect(new URL(data?.signedUrl ?? "").pathname).toMatch(/^\/storage\/v1\/object\/sign\//);
    const answer = await fetch(data?.signedUrl ?? "");
    expect((await answer.bytes()).byteLength).toBe(100);
  });

  test("trap 29: a signed URL outlives the right of its maker, and the maker", async () => {
    const path = inFolder("lent.png");
    await files().upload(path, image(100));
    const { data } = await files().createSignedUrl(path, 600);
    await project.admin.unsafe(`alter policy "${bucket}" on storage.objects using (false)`);
    expect((await files().createSignedUrl(path, 600)).error).toMatchObject({ statusCode: "404" });
    expect((await files().download(path)).error).toMatchObject({ status: 400 });
    expect((await fetch(data?.signedUrl ?? "")).status).toBe(200);
    await project.service.auth.admin.deleteUser(project.userId);
    expect((await fetch(data?.signedUrl ?? "")).status).toBe(200);
    await project.service.storage.from(bucket).remove([path]);
    expect((await fetch(data?.signedUrl ?? "")).status).toBe(400);
  });
});
