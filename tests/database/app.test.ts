import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);

async function call(userId: string, name: string, ...args: unknown[]): Promise<unknown> {
  const places = args.map((_, at) => `$${at + 1}`).join(", ");
  const rows = await db.asUser(
    userId,
    (as) => as.unsafe<{ answer: unknown }[]>(`select public.${name}(${places}) as answer`, args as string[]),
  );
  return rows[0]?.answer;
}

async function imageOf(userId: string): Promise<string> {
  const { jobId } = await scenario.completed(userId);
  const [row] = await sql<{ id: string }[]>`select id from public.generation_images where job_id = ${jobId}`;
  return row!.id;
}

test("my_account makes the account and its grant at the first call, and counts slots and pending jobs", async () => {
  await db.settings({ user_running_cap: 2, user_pending_cap: 9 });
  const userId = await db.addUser();
  expect(await call(userId, "my_account")).toEqual({
    balance: 20,
    seq: 1,
    running: 0,
    runningCap: 2,
    pending: 0,
    pendingCap: 9,
  });
  await scenario.running(userId);
  await scenario.start(userId);
  expect(await call(userId, "my_account")).toMatchObject({ balance: 18, running: 1, pending: 2 });
});

test("queue_position answers the owner, and no one else", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const jobId = await scenario.start(userId);
  expect(await call(userId, "queue_position", jobId)).toEqual({
    position: 0,
    exact: true,
    etaSeconds: 4,
    hold: null,
  });
  for (const [caller, id] of [[otherId, jobId], [userId, randomUUID()]] as const) {
    await expect(call(caller, "queue_position", id)).rejects.toMatchObject({
      code: "PT404",
      hint: "job_not_found",
    });
  }
});

test("set_favorite marks one's own picture and takes the mark off; another's is not found", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const imageId = await imageOf(userId);
  expect(await call(userId, "set_favorite", imageId, true)).toMatchObject({ id: imageId, favorite: true });
  expect(await call(userId, "set_favorite", imageId, false)).toMatchObject({ favorite: false });
  await expect(call(otherId, "set_favorite", imageId, true)).rejects.toMatchObject({
    code: "PT404",
    hint: "image_not_found",
  });
  expect(await sql`select favorite from public.generation_images`).toEqual([{ favorite: false }]);
});

test("delete_images deletes one's own, passes over the rest, and has the files removed", async () => {
  const [userId, otherId] = [await db.addUser(), await db.addUser()];
  const [own, foreign] = [await imageOf(userId), await imageOf(otherId)];
  await sql`update public.generation_images set thumb_path = path || '-thumb' where id = ${own}`;
  expect(await call(userId, "delete_images", [own, foreign, randomUUID()])).toEqual({ deleted: [own] });
  expect(await call(userId, "delete_images", [own])).toEqual({ deleted: [] });
  expect(await sql`select deleted_at is null as kept from public.generation_images where id = ${foreign}`)
    .toEqual([{ kept: true }]);
  const purges = await sql<
    { path: string }[]
  >`select path from genflow.storage_purges where reason = 'deleted' order by path`;
  const [image] = await sql<{ path: string }[]>`select path from public.generation_images where id = ${own}`;
  expect(purges.map((purge) => purge.path)).toEqual([image!.path, `${image!.path}-thumb`]);
  await expect(call(userId, "set_favorite", own, true)).rejects.toMatchObject({ hint: "image_not_found" });
});

test("pictures of a job that is still being stored cannot be deleted, and none or too many cannot be named", async () => {
  const userId = await db.addUser();
  const { attemptId } = await scenario.delivered(userId, 2);
  await scenario.store(await scenario.lease(attemptId));
  const [image] = await sql<{ id: string }[]>`select id from public.generation_images`;
  await expect(call(userId, "delete_images", [image!.id])).rejects.toMatchObject({
    code: "PT409",
    hint: "job_still_running",
  });
  for (const ids of [[], Array.from({ length: 101 }, () => randomUUID())]) {
    await expect(call(userId, "delete_images", ids)).rejects.toMatchObject({
      code: "PT400",
      hint: "invalid_request",
    });
  }
});

test("deleting the user in the dashboard works while a job runs", async () => {
  const userId = await db.addUser();
  const { taskId, jobId } = await scenario.running(userId);
  await sql`delete from auth.users where id = ${userId}`;
  await scenario.deliver(taskId);
  expect(await scenario.job(jobId)).toMatchObject({ status: "persisting" });
});
