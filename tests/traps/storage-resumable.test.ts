// Storage: uploads that go on after a cut, by TUS 1.0.0.

import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { Upload, type UploadOptions } from "tus-js-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openProject, ownFolders, stack, type StorageProject } from "./storage-project.ts";

const bucket = "trap-resumable";
const mebi = 1024 * 1024;
const pieceBytes = 6 * mebi;
let owner: StorageProject;
let other: StorageProject;
let names = 0;

beforeAll(async () => {
  [owner, other] = await Promise.all([openProject(), openProject()]);
  await ownFolders(owner, bucket, { bytes: 20 * mebi, mimeTypes: ["image/*"] });
});
afterAll(() => Promise.all([owner?.stop(), other?.stop()]));

const endpoint = `${stack.url}/storage/v1/upload/resumable`;
const newName = () => `${owner.userId}/${++names}.png`;
const encoded = (metadata: Record<string, string>) =>
  Object.entries(metadata).map(([key, value]) => `${key} ${btoa(value)}`).join(",");

/** One request as TUS wants it, by the owner unless told otherwise. */
async function tus(
  method: string,
  url: string,
  headers: Record<string, string> = {},
  { by = owner, body }: { by?: StorageProject; body?: Uint8Array<ArrayBuffer> } = {},
) {
  const answer = await fetch(url, {
    method,
    headers: { ...by.headers, "tus-resumable": "1.0.0", ...headers },
    ...(body && { body }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}
const create = (
  name: string,
  bytes: number,
  more: { by?: StorageProject; type?: string; upsert?: boolean } = {},
) =>
  tus("POST", endpoint, {
    "upload-length": String(bytes),
    "upload-metadata": encoded({
      bucketName: bucket,
      objectName: name,
      contentType: more.type ?? "image/png",
      cacheControl: "60",
    }),
    ...(more.upsert && { "x-upsert": "true" }),
  }, more);
const append = (url: string, offset: number, body: Uint8Array<ArrayBuffer>, by = owner) =>
  tus("PATCH", url, {
    "content-type": "application/offset+octet-stream",
    "upload-offset": String(offset),
  }, { by, body });
const offsetAt = async (url: string) => Number((await tus("HEAD", url)).headers.get("upload-offset"));
/** Bytes of an unfinished upload that lie on the disk. */
async function arrived(url: string): Promise<number> {
  const id = Buffer.from(url.slice(url.lastIndexOf("/") + 1), "base64url").toString();
  return (await stat(join(stack.dataDirectory, "storage/resumable", id.slice(id.lastIndexOf("/") + 1)))).size;
}
/** Byte for byte. */
const isStored = async (name: string, bytes: Buffer) => {
  const { data } = await owner.client.storage.from(bucket).download(name);
  return data !== null && bytes.equals(Buffer.from(await data.arrayBuffer()));
};

/** As the platform's guide has it. */
function start(data: Buffer, name: string, more: Partial<UploadOptions> = {}): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const upload: Upload = new Upload(data, {
      endpoint,
      headers: owner.headers,
      chunkSize: pieceBytes,
      retryDelays: null,
      metadata: { bucketName: bucket, objectName: name, contentType: "image/png", cacheControl: "3600" },
      onSuccess: () => resolve(upload),
      onError: reject,
      ...more,
    });
    upload.start();
  });
}

test("trap 27: 13 MiB come in pieces of 6 MiB and are stored byte for byte", async () => {
  const [data, name] = [randomBytes(13 * mebi), newName()];
  const pieces: number[] = [];
  await start(data, name, { onChunkComplete: (bytes) => pieces.push(bytes / mebi) });
  expect(pieces).toEqual([6, 6, 1]);
  expect(await isStored(name, data)).toBe(true);
  const { data: info, error } = await owner.client.storage.from(bucket).info(name);
  expect(error).toBeNull();
  expect(info).toMatchObject({ size: 13 * mebi, contentType: "image/png", cacheControl: "max-age=3600" });
});

test("trap 27: with creation-with-upload the first piece comes along", async () => {
  const [data, name] = [randomBytes(7 * mebi), newName()];
  await start(data, name, { uploadDataDuringCreation: true });
  expect(await isStored(name, data)).toBe(true);
});

test("trap 27: what came before a cut stays, and the upload goes on from there", async () => {
  const [data, name] = [randomBytes(7 * mebi), newName()];
  const { headers } = await create(name, data.length);
  const url = headers.get("location")!;
  expect(url).toMatch(new RegExp(`^${endpoint}/[A-Za-z0-9_-]+$`));
  await cutAfter(url, data.subarray(0, pieceBytes), mebi);
  await expect.poll(() => arrived(url)).toBeGreaterThan(0);
  const offset = await offsetAt(url);
  expect(offset).toBeLessThanOrEqual(mebi);
  expect(await isStored(name, data)).toBe(false);
  await start(data, name, { uploadUrl: url });
  expect(await isStored(name, data)).toBe(true);
});

/** Declares all of `data`, sends `bytes` of it and breaks the connection. */
function cutAfter(url: string, data: Buffer, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    const sending = request(url, {
      method: "PATCH",
      headers: {
        ...owner.headers,
        "tus-resumable": "1.0.0",
        "content-type": "application/offset+octet-stream",
        "upload-offset": 0,
        "content-length": data.length,
      },
    });
    sending.on("error", () => resolve());
    sending.on("close", () => resolve());
    sending.write(data.subarray(0, bytes), () => sending.destroy());
  });
}

test("trap 27: whoever comes second takes the upload over from a connection that stands still", async () => {
  const [data, name] = [randomBytes(2 * mebi), newName()];
  const url = (await create(name, data.length)).headers.get("location")!;
  const standing = request(url, {
    method: "PATCH",
    headers: {
      ...owner.headers,
      "tus-resumable": "1.0.0",
      "content-type": "application/offset+octet-stream",
      "upload-offset": 0,
      "content-length": data.length,
    },
  });
  standing.on("error", () => {});
  try {
    standing.write(data.subarray(0, mebi));
    // Not asked of the stack: that would take the upload over already.
    await expect.poll(() => arrived(url)).toBe(mebi);
    expect(await append(url, mebi, data.subarray(mebi))).toMatchObject({ status: 204 });
    expect(await isStored(name, data)).toBe(true);
  } finally {
    standing.destroy();
  }
});

test("trap 27: another offset, a body too many and a missing header are refused, and nothing is lost", async () => {
  const [data, name] = [randomBytes(100), newName()];
  const url = (await create(name, 100)).headers.get("location")!;
  expect(await append(url, 50, data)).toMatchObject({ status: 409, text: "Upload-Offset conflict\n" });
  expect(await append(url, 0, randomBytes(101))).toMatchObject({ status: 413 });
  expect(await tus("PATCH", url, { "upload-offset": "0" }, { body: data })).toMatchObject({ status: 403 });
  expect((await fetch(url, { method: "HEAD", headers: owner.headers })).status).toBe(412);
  expect(await offsetAt(url)).toBe(0);
  expect(await append(url, 0, data)).toMatchObject({ status: 204 });
  expect(await isStored(name, data)).toBe(true);
});

test("trap 27: the bucket's limits and policies hold from the first request on", async () => {
  const answers = [
    await create(newName(), 20 * mebi + 1),
    await create(newName(), 10, { type: "text/plain" }),
    await create(newName(), 10, { by: other }),
    await create("no-folder.png", 10),
    await create(`${owner.userId}/ä.png`, 10),
  ];
  expect(answers.map(({ status, text }) => [status, text])).toEqual([
    [413, "Maximum size exceeded\n"],
    [415, "mime type text/plain is not supported"],
    [403, "new row violates row-level security policy"],
    [403, "new row violates row-level security policy"],
    [400, expect.stringContaining("Invalid key")],
  ]);
});

test("trap 27: another user can neither add to an upload nor end it", async () => {
  const [data, name] = [randomBytes(10), newName()];
  const url = (await create(name, 10)).headers.get("location")!;
  expect((await append(url, 0, data, other)).status).toBe(403);
  expect((await tus("DELETE", url, {}, { by: other })).status).toBe(403);
  expect(await offsetAt(url)).toBe(0);
});

test("trap 27: a name that is taken is refused, but for an upsert", async () => {
  const [data, name] = [randomBytes(10), newName()];
  await start(data, name);
  expect(await create(name, 10)).toMatchObject({ status: 409, text: "The resource already exists" });
  const more = randomBytes(20);
  await start(more, name, { headers: { ...owner.headers, "x-upsert": "true" } });
  expect(await isStored(name, more)).toBe(true);
});

test("trap 27: two uploads of one name: the second to end is refused", async () => {
  const [data, name] = [randomBytes(10), newName()];
  const [first = "", second = ""] = [await create(name, 10), await create(name, 10)]
    .map(({ headers }) => headers.get("location")!);
  expect((await append(first, 0, data)).status).toBe(204);
  expect((await append(second, 0, randomBytes(10))).status).toBe(409);
  expect(await isStored(name, data)).toBe(true);
});

test("trap 27: an upload that was ended, or has become an object, is there no more", async () => {
  const name = newName();
  const url = (await create(name, 10)).headers.get("location")!;
  expect((await tus("DELETE", url)).status).toBe(204);
  for (const [method, status] of [["HEAD", 404], ["DELETE", 404]] as const) {
    expect((await tus(method, url)).status).toBe(status);
  }
  expect(await append(url, 0, randomBytes(10))).toMatchObject({
    status: 404,
    text: "The file for this url was not found\n",
  });
  const done = (await create(name, 10)).headers.get("location")!;
  await append(done, 0, randomBytes(10));
  expect((await tus("HEAD", done)).status).toBe(404);
});

test("trap 27: pages may read where an upload stands", async () => {
  const { headers } = await create(newName(), 10);
  expect(headers.get("access-control-allow-origin")).toBe("*");
  expect(headers.get("access-control-expose-headers")!.split(", ")).toEqual(
    expect.arrayContaining(["Location", "Upload-Offset", "Tus-Resumable"]),
  );
  expect(new Date(headers.get("upload-expires")!).getTime() - Date.now()).toBeGreaterThan(23 * 3600_000);
});
