// Storage: which keys and files a bucket takes, and which policies each call needs.

import type { SupabaseClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { image, openProject, ownFolders, type StorageProject } from "./storage-project.ts";

let project: StorageProject;

beforeAll(async () => {
  project = await openProject();
});
afterAll(() => project?.stop());

describe("keys and files", () => {
  const bucket = "trap-limits";
  const files = () => project.client.storage.from(bucket);
  const inFolder = (name: string) => `${project.userId}/${name}`;
  const put = (name: string) =>
    project.call("POST", `/object/${bucket}/${project.userId}/${encodeURIComponent(name)}`, {
      headers: { ...project.headers, "content-type": "image/png" },
      body: new Uint8Array(10),
    });
  beforeAll(() => ownFolders(project, bucket, { bytes: 1000, mimeTypes: ["image/*", "text/csv"] }));

  test("trap 27: a key may have Latin letters, digits and a few signs", async () => {
    const name = "Az09_!-.*'() &$@=;:+,?";
    expect(await put(name)).toMatchObject({ status: 200, body: { Key: `${bucket}/${inFolder(name)}` } });
  });

  test.each(["ü", "é", "日", "😀", "#", "%", "[", "]", "{", "}", "^", "~", "|", "\\", '"', "<", ">", "`"])(
    "trap 27: no key has '%s'",
    async (character) => {
      const name = `a${character}b.png`;
      expect(await put(name)).toMatchObject({
        status: 400,
        body: { statusCode: "400", code: "InvalidKey", message: `Invalid key: ${inFolder(name)}` },
      });
      expect(
        await project.sql`select from storage.objects where bucket_id = ${bucket} and name = ${
          inFolder(name)
        }`,
      )
        .toEqual([]);
    },
  );

  test.each([
    ["image/png", "image/png", true],
    ["any image, in capitals and with a parameter", "IMAGE/AVIF; q=1", true],
    ["text/csv with its character set", "text/csv;charset=UTF-8", true],
    ["another text", "text/plain;charset=UTF-8", false],
    ["what is no media type", "image", false],
  ])("trap 27: a bucket of image/* and text/csv and %s", async (_what, contentType, isTaken) => {
    const { error } = await files().upload(inFolder("typed"), new Uint8Array(10), {
      contentType,
      upsert: true,
    });
    if (isTaken) expect(error).toBeNull();
    else expect(error).toMatchObject({ status: 400, statusCode: "415", code: "InvalidMimeType" });
  });

  test.each([
    ["a body of known length", (bytes: number) => new Uint8Array(bytes)],
    ["a form", (bytes: number) => image(bytes)],
    ["a stream of unknown length", (bytes: number) => streamOf(bytes / 7, 7)],
  ])(
    "trap 27: the bucket's limit counts for %s, and nothing of what is over it stays",
    async (_what, bodyOf) => {
      const options = { contentType: "image/png", upsert: true };
      const within = await files().upload(inFolder("within.png"), bodyOf(994), options);
      expect(within.error).toBeNull();
      expect((await files().download(inFolder("within.png"))).data).toMatchObject({
        size: 994,
        type: "image/png",
      });
      const over = await files().upload(inFolder("over.png"), bodyOf(1001), options);
      expect(over.error).toMatchObject({ status: 400, statusCode: "413", code: "EntityTooLarge" });
      expect((await files().exists(inFolder("over.png"))).data).toBe(false);
    },
  );

  test("trap 27: a bucket without a limit has the project's", async () => {
    await ownFolders(project, "trap-unlimited");
    const path = `/object/trap-unlimited/${inFolder("huge.bin")}`;
    const limit = 50 * 1024 * 1024;
    const headers = (bytes: number) => ({
      "content-type": "application/octet-stream",
      "content-length": String(bytes),
    });
    expect(await project.begin(path, headers(limit + 1), "")).toMatchObject({
      status: 400,
      body: { statusCode: "413", code: "EntityTooLarge" },
    });
    // The same length to a folder that is not the user's: it was not the length that was refused.
    expect(await project.begin("/object/trap-unlimited/of-another/huge.bin", headers(limit), ""))
      .toMatchObject({
        body: { statusCode: "403" },
      });
  });
});

describe("policies", () => {
  const bucket = "trap-rights";
  const rights = ["insert", "select", "update", "delete"];

  beforeAll(async () => {
    await project.admin.unsafe(`
      insert into storage.buckets (id, name) values ('${bucket}', '${bucket}');
      create table public.trap_rights (name text primary key);
      grant select on public.trap_rights to authenticated;
      ${
      rights.map((right) => {
        const held =
          `(bucket_id = '${bucket}' and exists (select from public.trap_rights r where r.name = '${right}'))`;
        const condition = right === "insert" ? `with check ${held}` : `using ${held}`;
        return `create policy "${bucket} ${right}" on storage.objects for ${right} to authenticated ${condition};`;
      }).join("\n")
    }`);
  });
  beforeEach(async () => {
    const service = project.service.storage.from(bucket);
    await service.remove(["target.png"]);
    await service.upload("source.png", image(10), { upsert: true });
  });
  const grant = async (held: string[]) => {
    await project.sql`delete from public.trap_rights`;
    for (const name of held) await project.sql`insert into public.trap_rights values (${name})`;
  };

  type Files = ReturnType<SupabaseClient["storage"]["from"]>;
  const done = async (call: PromiseLike<{ error: unknown }>) => (await call).error === null;
  const some = async (call: PromiseLike<{ data: unknown[] | null }>) => ((await call).data ?? []).length > 0;

  const calls: [string, string[], (files: Files) => Promise<boolean>][] = [
    ["upload", ["insert"], (files) => done(files.upload("target.png", image(10)))],
    [
      "upload with upsert over a file",
      ["insert", "select", "update"],
      (files) => done(files.upload("source.png", image(10), { upsert: true })),
    ],
    // The row goes through an upsert, so it is not enough that the file may be changed.
    ["update", ["insert", "select", "update"], (files) => done(files.update("source.png", image(10)))],
    ["createSignedUploadUrl", ["insert"], (files) => done(files.createSignedUploadUrl("target.png"))],
    ["download", ["select"], (files) => done(files.download("source.png"))],
    ["info", ["select"], (files) => done(files.info("source.png"))],
    ["list", ["select"], (files) => some(files.list())],
    ["createSignedUrl", ["select"], (files) => done(files.createSignedUrl("source.png", 60))],
    ["move", ["select", "update"], (files) => done(files.move("source.png", "target.png"))],
    ["copy", ["insert", "select"], (files) => done(files.copy("source.png", "target.png"))],
    ["remove", ["delete", "select"], (files) => some(files.remove(["source.png"]))],
  ];

  test.each(calls)("trap 27: %s needs %s", async (_name, needed, call) => {
    for (const missing of needed) {
      await grant(rights.filter((right) => right !== missing));
      expect(await call(project.client.storage.from(bucket)), `without ${missing}`).toBe(false);
    }
    await grant(needed);
    expect(await call(project.client.storage.from(bucket))).toBe(true);
  });

  test("trap 27: remove() of what may not be deleted is 200 with the names that were, or with none", async () => {
    await grant(["select"]);
    const call = (prefixes: string[]) =>
      project.call("DELETE", `/object/${bucket}`, {
        headers: { ...project.headers, "content-type": "application/json" },
        body: JSON.stringify({ prefixes }),
      });
    expect(await call(["source.png", "none.png"])).toEqual({ status: 200, body: [] });
    await grant(["select", "delete"]);
    expect(await call(["source.png", "none.png"])).toMatchObject({
      status: 200,
      body: [{ name: "source.png" }],
    });
    expect(
      await project.call("DELETE", "/object/nowhere", {
        headers: { ...project.headers, "content-type": "application/json" },
        body: '{"prefixes": ["a"]}',
      }),
    ).toEqual({ status: 200, body: [] });
  });

  test("trap 27: whom a signed upload URL was given needs no right at all", async () => {
    await grant(["insert"]);
    const { data } = await project.client.storage.from(bucket).createSignedUploadUrl("target.png");
    await grant([]);
    const answer = await project.call(
      "PUT",
      `/object/upload/sign/${bucket}/target.png?token=${data?.token}`,
      {
        headers: { "content-type": "image/png" },
        body: new Uint8Array(10),
      },
    );
    expect(answer).toEqual({ status: 200, body: expect.anything() });
  });
});

function streamOf(chunks: number, bytes: number): ReadableStream<Uint8Array> {
  let left = chunks;
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(bytes));
      else controller.close();
    },
  });
}
