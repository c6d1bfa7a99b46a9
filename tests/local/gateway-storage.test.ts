// The gateway's Storage with the real supabase-js, against files in a folder. Refusals, limits and policies are in
// tests/traps/storage*.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Stack } from "../../supabase/local/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { clientOf, newUser, startSmallStack, type TestUser } from "./small-stack.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let stack: Stack;
let ada: TestUser;
let bob: TestUser;

beforeAll(async () => {
  folder = await temporaryFolder();
  stack = await startSmallStack({ dataDirectory: folder.path });
  [ada, bob] = await Promise.all([newUser(stack), newUser(stack)]);
}, 60_000);

afterAll(async () => {
  await stack?.stop();
  await folder?.remove();
});

describe("storage", () => {
  const image = new Blob([new Uint8Array(100).fill(7)], { type: "image/png" });
  const pictures = (user: TestUser) => user.client.storage.from("pictures");

  test("a picture goes up, comes back, is listed, described, signed and removed", async () => {
    const path = `${ada.id}/trip/one.png`;
    const up = await pictures(ada).upload(path, image);
    expect(up.data).toMatchObject({ path, fullPath: `pictures/${path}`, id: expect.any(String) });
    const back = await pictures(ada).download(path);
    expect(back.data).toMatchObject({ size: 100, type: "image/png" });
    expect((await pictures(ada).list(ada.id)).data).toMatchObject([{ name: "trip", id: null }]);
    expect((await pictures(ada).list(`${ada.id}/trip`)).data).toMatchObject([
      { name: "one.png", metadata: { size: 100, mimetype: "image/png", cacheControl: "max-age=3600" } },
    ]);
    expect((await pictures(ada).info(path)).data).toMatchObject({ size: 100, contentType: "image/png" });
    const signed = await pictures(ada).createSignedUrl(path, 60);
    expect((await fetch(signed.data!.signedUrl)).status).toBe(200);
    expect((await pictures(ada).remove([path, `${ada.id}/missing.png`])).data).toMatchObject([{
      name: path,
    }]);
    expect((await pictures(ada).exists(path)).data).toBe(false);
    expect((await fetch(signed.data!.signedUrl)).status).toBe(400);
  });

  test("nobody sees, writes or removes another's objects, and nobody is told that they exist", async () => {
    const path = `${ada.id}/private.png`;
    await pictures(ada).upload(path, image);
    expect((await pictures(bob).upload(`${ada.id}/planted.png`, image)).error).toMatchObject({
      status: 400,
      statusCode: "403",
      message: "new row violates row-level security policy",
    });
    expect((await pictures(bob).download(path)).error).toMatchObject({ status: 400 });
    expect((await pictures(bob).list(ada.id)).data).toEqual([]);
    expect((await pictures(bob).createSignedUrl(path, 60)).error).toMatchObject({ statusCode: "404" });
    expect((await pictures(bob).remove([path])).data).toEqual([]);
    const anonymous = await clientOf(stack).storage.from("pictures").download(path);
    expect(anonymous.error).toMatchObject({ status: 400 });
    expect((await clientOf(stack, stack.secretKey).storage.from("pictures").download(path)).data?.size).toBe(
      100,
    );
  });

  test("a key is taken once, unless the upload says upsert", async () => {
    const path = `${ada.id}/twice.png`;
    await pictures(ada).upload(path, image);
    expect((await pictures(ada).upload(path, image)).error).toMatchObject({ status: 400, statusCode: "409" });
    const smaller = new Blob(["new"], { type: "image/png" });
    expect((await pictures(ada).upload(path, smaller, { upsert: true })).error).toBeNull();
    expect((await pictures(ada).download(path)).data?.size).toBe(3);
  });

  test("of two uploads to one key the first that is complete wins, and the other is told", async () => {
    const path = `${ada.id}/race.png`;
    let finish = () => {};
    const slow = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(10));
        finish = () => controller.close();
      },
    });
    const late = pictures(ada).upload(path, slow, { contentType: "image/png" });
    expect((await pictures(ada).upload(path, image)).error).toBeNull();
    finish();
    expect((await late).error).toMatchObject({ statusCode: "409" });
    expect((await pictures(ada).download(path)).data?.size).toBe(100);
  });

  test("objects are moved and copied within what the user may write", async () => {
    await pictures(ada).upload(`${ada.id}/from.png`, image);
    const copied = await pictures(ada).copy(`${ada.id}/from.png`, `${ada.id}/copy.png`);
    expect(copied.data).toEqual({ path: `pictures/${ada.id}/copy.png` });
    expect((await pictures(ada).move(`${ada.id}/from.png`, `${ada.id}/moved.png`)).error).toBeNull();
    expect((await pictures(ada).exists(`${ada.id}/from.png`)).data).toBe(false);
    expect((await pictures(ada).download(`${ada.id}/moved.png`)).data?.size).toBe(100);
    expect((await pictures(ada).move(`${ada.id}/moved.png`, `${bob.id}/moved.png`)).error).toMatchObject({
      statusCode: "403",
    });
  });

  test("a signed upload URL lets its holder put that one object, without a key of their own", async () => {
    const path = `${ada.id}/by-url.png`;
    const { data } = await pictures(ada).createSignedUploadUrl(path);
    const foreign = await clientOf(stack).storage.from("pictures").uploadToSignedUrl(
      `${ada.id}/x.png`,
      data!.token,
      image,
    );
    expect(foreign.error).toMatchObject({ status: 400 });
    const up = await clientOf(stack).storage.from("pictures").uploadToSignedUrl(path, data!.token, image);
    expect(up.error).toBeNull();
    expect((await pictures(ada).download(path)).data?.size).toBe(100);
    expect((await pictures(bob).createSignedUploadUrl(`${ada.id}/b.png`)).error).toMatchObject({
      statusCode: "403",
    });
  });

  test("several URLs are signed at once; the missing one says so alone", async () => {
    await pictures(ada).upload(`${ada.id}/s1.png`, image);
    const { data } = await pictures(ada).createSignedUrls([`${ada.id}/s1.png`, `${ada.id}/none.png`], 60);
    expect(data).toMatchObject([{ error: null }, { error: expect.any(String), signedUrl: null }]);
    expect((await fetch(data![0]!.signedUrl!)).status).toBe(200);
  });

  test("a changed or another object's token opens nothing", async () => {
    await pictures(ada).upload(`${ada.id}/t1.png`, image);
    await pictures(ada).upload(`${ada.id}/t2.png`, image);
    const { data } = await pictures(ada).createSignedUrl(`${ada.id}/t1.png`, 60);
    expect((await fetch(data!.signedUrl.replace("t1.png", "t2.png"))).status).toBe(400);
    expect((await fetch(data!.signedUrl.slice(0, -3))).status).toBe(400);
  });

  test("a public bucket is open for reading and still not for writing", async () => {
    const service = clientOf(stack, stack.secretKey).storage.from("posters");
    await service.upload("one.txt", "0123456789", { contentType: "text/plain" });
    const url = service.getPublicUrl("one.txt").data.publicUrl;
    expect(await (await fetch(url)).text()).toBe("0123456789");
    const part = await fetch(url, { headers: { range: "bytes=2-4" } });
    expect([part.status, part.headers.get("content-range"), await part.text()]).toEqual([
      206,
      "bytes 2-4/10",
      "234",
    ]);
    expect((await ada.client.storage.from("posters").upload("two.txt", "x")).error).toMatchObject({
      statusCode: "403",
    });
  });
});
