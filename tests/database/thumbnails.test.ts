// Thumbnails: tries handed out and counted, the outcome told to the app, and nothing left of a deleted picture.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { ThumbnailClaim } from "../../shared/backend/kernel.ts";
import { openDatabase, type Row } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);
const thumbhash = "HwgCBwCHlJioaVZZa3uoWqhUD9jI+yQO";

/** A completed job's one picture. */
async function pictureOf(userId: string): Promise<Row> {
  const { jobId } = await scenario.completed(userId);
  const [image] = await sql<Row[]>`select * from public.generation_images where job_id = ${jobId}`;
  return image!;
}

async function claim(limit = 1): Promise<ThumbnailClaim[]> {
  return (await kernel.claimThumbnails(randomUUID(), limit)).thumbnails;
}

const due = async () => (await kernel.workDue())["thumbnails"];
const image = async (id: unknown) =>
  (await sql<Row[]>`select * from public.generation_images where id = ${String(id)}`)[0]!;
const thumbnails = () => sql<Row[]>`select tries, due_at is not null as due, outcome from genflow.thumbnails`;
const remove = (userId: string, id: unknown) =>
  db.asUser(userId, (as) => as`select public.delete_images(${[String(id)]})`);

test("a picture is due once its job is completed, not before", async () => {
  const userId = await db.addUser();
  const { attemptId } = await scenario.delivered(userId, 2);
  const persist = await scenario.lease(attemptId);
  await scenario.store(persist, 0);
  await scenario.store(persist, 1);
  expect(await due()).toBe(0);
  expect(await claim()).toEqual([]);
  await scenario.complete(persist);
  expect(await due()).toBe(2);
});

test("a claim says where the picture is and where its thumbnail goes, and counts the try before the work", async () => {
  const userId = await db.addUser();
  const picture = await pictureOf(userId);
  const [claimed, ...more] = await claim(10);
  expect(more).toEqual([]);
  expect(claimed).toEqual({
    imageId: picture["id"],
    jobId: picture["job_id"],
    index: 0,
    traceId: expect.any(String),
    path: picture["path"],
    thumbPath: `${picture["path"]}-thumb`,
    maxPixels: 2048 * 2048,
  });
  expect(await thumbnails()).toEqual([{ tries: 1, due: true, outcome: null }]);
  // Nobody else gets it meanwhile, and its owner sees nothing of it.
  expect(await claim()).toEqual([]);
  expect(await image(picture["id"])).toEqual(picture);
});

test("the same claim again names the same pictures and costs no second try", async () => {
  const userId = await db.addUser();
  await pictureOf(userId);
  await pictureOf(userId);
  const claimId = randomUUID();
  const first = await kernel.claimThumbnails(claimId, 1);
  expect(first.thumbnails).toHaveLength(1);
  expect(await kernel.claimThumbnails(claimId, 1)).toEqual(first);
  expect(await sql`select tries from genflow.thumbnails order by tries`).toEqual([{ tries: 0 }, {
    tries: 1,
  }]);
});

test("the newest picture comes first, since somebody is looking at it", async () => {
  const userId = await db.addUser();
  await pictureOf(userId);
  await db.advance(10);
  const newest = await pictureOf(userId);
  expect(await claim()).toMatchObject([{ imageId: newest["id"] }]);
});

test("a try that is lost is due again later each time, under the same path, until none is left", async () => {
  await pictureOf(await db.addUser());
  const [first] = await claim();
  for (const waitSeconds of [60, 120]) {
    await db.advance(waitSeconds - 1);
    expect(await due()).toBe(0);
    expect(await claim()).toEqual([]);
    await db.advance(1);
    expect(await due()).toBe(1);
    expect(await claim()).toEqual([first]);
  }
  await db.advance(3600);
  expect(await due()).toBe(0);
  expect(await claim()).toEqual([]);
  expect(await thumbnails()).toEqual([{ tries: 3, due: false, outcome: null }]);
});

test("what nobody came for in a week stays without, and wakes nobody any more", async () => {
  await pictureOf(await db.addUser());
  await db.advance(7 * 86_400 - 1);
  expect(await due()).toBe(1);
  await db.advance(2);
  expect(await due()).toBe(0);
  expect(await claim()).toEqual([]);
});

test("a recorded thumbnail is a numbered change of its picture, and the app is told", async () => {
  const userId = await db.addUser();
  const picture = await pictureOf(userId);
  const [claimed] = await claim();
  const before = (await db.messages(userId)).length;
  expect(await kernel.recordThumbnail(claimed!.imageId, { thumbhash })).toEqual({ recorded: true });
  const seq = Number((await db.messages(userId)).at(-2)?.["seq"]) + 1;
  const after = await image(picture["id"]);
  expect(after).toEqual({
    ...picture,
    thumb_path: claimed!.thumbPath,
    thumbhash,
    seq: String(seq),
  });
  const messages = await db.messages(userId);
  expect(messages).toHaveLength(before + 1);
  expect(messages.at(-1)).toMatchObject({
    seq,
    jobs: [],
    images: [{ id: picture["id"], thumbPath: claimed!.thumbPath, thumbhash, seq }],
  });
  expect(await thumbnails()).toEqual([{ tries: 1, due: false, outcome: "made" }]);
});

test("the same record again changes nothing and tells nobody", async () => {
  const userId = await db.addUser();
  await pictureOf(userId);
  const [claimed] = await claim();
  await kernel.recordThumbnail(claimed!.imageId, { thumbhash });
  const told = (await db.messages(userId)).length;
  const before = await image(claimed!.imageId);
  expect(await kernel.recordThumbnail(claimed!.imageId, { thumbhash })).toEqual({ recorded: true });
  expect(await image(claimed!.imageId)).toEqual(before);
  expect(await db.messages(userId)).toHaveLength(told);
});

test("a thumbnail counts however late it comes, also after the last try", async () => {
  await pictureOf(await db.addUser());
  const [claimed] = await claim();
  await db.advance(60);
  await claim();
  await db.advance(120);
  await claim();
  await db.advance(3600);
  expect(await kernel.recordThumbnail(claimed!.imageId, { thumbhash })).toEqual({ recorded: true });
  expect(await image(claimed!.imageId)).toMatchObject({ thumb_path: claimed!.thumbPath });
});

test("a failure for good is not tried again, and a thumbnail that comes after it is not shown", async () => {
  const userId = await db.addUser();
  await pictureOf(userId);
  const [claimed] = await claim();
  const told = (await db.messages(userId)).length;
  const failure = { failure: "undecodable" };
  expect(await kernel.recordThumbnail(claimed!.imageId, failure)).toEqual({ recorded: true });
  expect(await kernel.recordThumbnail(claimed!.imageId, { thumbhash })).toEqual({ recorded: false });
  expect(await kernel.recordThumbnail(claimed!.imageId, failure)).toEqual({ recorded: true });
  expect(await thumbnails()).toEqual([{ tries: 1, due: false, outcome: "undecodable" }]);
  expect(await image(claimed!.imageId)).toMatchObject({ thumb_path: null, thumbhash: null });
  expect(await db.messages(userId)).toHaveLength(told);
});

test.each([
  ["with too many pixels is given up at once", { thumbnail_max_pixels: 1024 * 1024 - 1 }, "too_large"],
  ["with too many bytes is given up at once", { thumbnail_max_bytes: 4095 }, "too_large"],
  ["of just the limits is due", { thumbnail_max_pixels: 1024 * 1024, thumbnail_max_bytes: 4096 }, null],
])("what is recorded decides: a picture %s", async (_, settings, outcome) => {
  await db.settings(settings);
  await pictureOf(await db.addUser());
  expect(await thumbnails()).toEqual([{ tries: 0, due: outcome === null, outcome }]);
  expect(await due()).toBe(outcome === null ? 1 : 0);
});

test("with no tries allowed nothing is due", async () => {
  await db.settings({ thumbnail_tries: 0 });
  await pictureOf(await db.addUser());
  expect(await due()).toBe(0);
  expect(await claim()).toEqual([]);
});

test("pictures of before this migration are due too, but for the huge and the deleted", async () => {
  const userId = await db.addUser();
  const [small, huge, deleted] = [await pictureOf(userId), await pictureOf(userId), await pictureOf(userId)];
  await sql`update public.generation_images set width = 4096, height = 4096 where id = ${String(huge["id"])}`;
  await remove(userId, deleted["id"]);
  await sql`delete from genflow.thumbnails`;
  await sql`select genflow.want_thumbnails(id) from public.generation_jobs`;
  expect(
    await sql`select image_id, due_at is not null as due, outcome from genflow.thumbnails order by outcome nulls first`,
  )
    .toEqual([
      { image_id: small["id"], due: true, outcome: null },
      { image_id: huge["id"], due: false, outcome: "too_large" },
    ]);
});

test("a picture that was deleted is not drawn, and its thumbnail is in its purge twice", async () => {
  const userId = await db.addUser();
  const picture = await pictureOf(userId);
  await remove(userId, picture["id"]);
  expect(await due()).toBe(0);
  expect(await claim()).toEqual([]);
  expect(
    await sql`select path, rounds_left from genflow.storage_purges where reason = 'deleted' order by path`,
  ).toEqual([
    { path: picture["path"], rounds_left: 1 },
    { path: `${picture["path"]}-thumb`, rounds_left: 2 },
  ]);
});

test("a thumbnail that is stored after its picture was deleted is not shown, and is removed once its worker can only be gone", async () => {
  const userId = await db.addUser();
  await pictureOf(userId);
  const [claimed] = await claim();
  await remove(userId, claimed!.imageId);
  const purge = async () => {
    const claimId = randomUUID();
    const { purges } = await kernel.claimPurges(claimId, 100);
    await kernel.recordPurge(claimId, purges.map(({ id }) => id));
    return purges.map(({ path }) => path).sort();
  };
  expect(await purge()).toEqual([claimed!.path, claimed!.thumbPath]);
  expect(await kernel.recordThumbnail(claimed!.imageId, { thumbhash })).toEqual({ recorded: false });
  expect(await image(claimed!.imageId)).toMatchObject({ thumb_path: null, thumbhash: null });
  await db.advance(399);
  expect(await purge()).toEqual([]);
  await db.advance(1);
  expect(await purge()).toEqual([claimed!.thumbPath]);
  await db.advance(86_400);
  expect(await purge()).toEqual([]);
});

test("a picture with its thumbnail is deleted with it, once each", async () => {
  const userId = await db.addUser();
  await pictureOf(userId);
  const [claimed] = await claim();
  await kernel.recordThumbnail(claimed!.imageId, { thumbhash });
  await remove(userId, claimed!.imageId);
  expect(await sql`select path from genflow.storage_purges where reason = 'deleted' order by path`).toEqual([
    { path: claimed!.path },
    { path: claimed!.thumbPath },
  ]);
  expect(await kernel.recordThumbnail(claimed!.imageId, { thumbhash })).toEqual({ recorded: true });
});

test("workers that claim at the same time get different pictures", async () => {
  const userId = await db.addUser();
  for (let i = 0; i < 8; i++) await pictureOf(userId);
  const claims = await Promise.all(Array.from({ length: 12 }, () => claim()));
  const ids = claims.flat().map(({ imageId }) => imageId);
  expect(ids).toHaveLength(8);
  expect(new Set(ids).size).toBe(8);
});

test("however a deletion and a record race, the thumbnail is in the purge, and shown only if it came first", async () => {
  for (let round = 0; round < 10; round++) {
    const userId = await db.addUser();
    await pictureOf(userId);
    const [claimed] = await claim();
    const [recorded] = await db.racing<unknown>(userId, [
      () => kernel.recordThumbnail(claimed!.imageId, { thumbhash }),
      () => remove(userId, claimed!.imageId),
    ]);
    const after = await image(claimed!.imageId);
    expect(after["deleted_at"]).not.toBeNull();
    expect(recorded).toEqual({ recorded: after["thumb_path"] !== null });
    expect(
      await sql`select path from genflow.storage_purges where reason = 'deleted' and job_id = ${
        claimed!.jobId
      } order by path`,
    ).toEqual([{ path: claimed!.path }, { path: claimed!.thumbPath }]);
  }
});
