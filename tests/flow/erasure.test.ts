// "Delete user" in the dashboard, on the whole stack: through the auth service's admin API, with pictures and reference
// images in Storage, a task at the provider and a token that is good for an hour yet.

import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { tracesOf } from "../database/traces.ts";
import { type App, openApp, request, startJob, tap, untilEnded, untilStatus } from "./app.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";

const picture = await sharp({ create: { width: 256, height: 256, channels: 3, background: "#963" } }).png()
  .toBuffer();

let stack: ControlledStack;
let admin: SupabaseClient;
let app: App;
beforeAll(async () => {
  stack = await startControlledStack();
  admin = createClient(stack.url, stack.secretKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  await stack.provider({ latencyMs: 100 });
  await stack.sql`update genflow.provider set running_cap = 3 where singleton`;
  app = await openApp(stack);
  return () => app.close();
});

async function upload({ client, userId }: App): Promise<string> {
  const path = `${userId}/${randomUUID()}.png`;
  const { error } = await client.storage.from("generation-inputs").upload(path, picture, {
    contentType: "image/png",
  });
  if (error) throw error;
  return path;
}

async function deleteUser(userId: string): Promise<void> {
  const { error } = await admin.auth.admin.deleteUser(userId);
  expect(error).toBeNull();
}

async function objectsOf(userId: string): Promise<string[]> {
  const rows = await stack.sql<{ at: string }[]>`
    select bucket_id || '/' || name as at from storage.objects where starts_with(name, ${
    userId + "/"
  }) order by 1`;
  return rows.map(({ at }) => at);
}

/** Each file on Storage's disk is an object's: deleting rows instead of objects would leave others. */
async function expectNoOrphans(): Promise<void> {
  const files = await readdir(join(stack.dataDirectory, "storage"), { recursive: true, withFileTypes: true });
  const rows = await stack.sql<{ version: string }[]>`select version from storage.objects`;
  expect(files.filter((each) => each.isFile()).map(({ name }) => name).toSorted())
    .toEqual(rows.map(({ version }) => version).toSorted());
}

/** Sweeps, as pg_cron would, until `holds`; what an erasure or a purge waits for by the clock comes at once. */
async function sweepUntil(holds: () => Promise<boolean>): Promise<void> {
  await expect.poll(async () => {
    await stack.sql`update genflow.erasures set due_at = now() where due_at is not null`;
    await stack.sql`update genflow.storage_purges set due_at = now()
      where starts_with(path, ${app.userId}) and done_at is null and claim_id is null`;
    await stack.sweep();
    return await holds();
  }, { timeout: 30_000, interval: 200 }).toBe(true);
}

async function isErased(userId: string): Promise<boolean> {
  const rows = await stack.sql`
    select from genflow.erasures where user_id = ${userId} and rows_gone_at is not null`;
  return rows.length === 1 && (await objectsOf(userId)).length === 0;
}

describe("deleting a user", () => {
  it("in the middle of everything leaves no row, object or file of his, and another's are as they were", async () => {
    const other = await openApp(stack);
    const otherInput = await upload(other);
    const otherJob = await untilEnded(other, await startJob(other));
    expect(otherJob.status).toBe("completed");

    const inputPath = await upload(app);
    expect((await untilEnded(app, await startJob(app))).status).toBe("completed");
    const edited = await startJob(app, { ...request, modelId: "nano-banana-edit", inputPaths: [inputPath] });
    expect((await untilEnded(app, edited)).status).toBe("completed");
    await stack.provider({ latencyMs: 3000 });
    await untilStatus(app, await startJob(app), "processing");
    await stack.sql`update genflow.provider set running_cap = 0 where singleton`;
    await startJob(app);
    // And perhaps their thumbnails, which come when they come.
    expect((await objectsOf(app.userId)).filter((at) => !at.endsWith("-thumb"))).toHaveLength(3);

    await deleteUser(app.userId);
    await stack.sql`update genflow.provider set running_cap = 3 where singleton`;
    // The token is good for an hour: it starts nothing, and what it uploads goes too.
    expect(await tap(app)).toMatchObject({ status: 401, body: { code: "unauthorized" } });
    await sweepUntil(async () => (await objectsOf(app.userId)).length === 0);
    await upload(app);
    await sweepUntil(() => isErased(app.userId));
    await expectNoOrphans();
    const { error } = await app.client.rpc("my_account");
    expect(error).toMatchObject({ code: "PT401", hint: "unauthorized" });
    expect(await tap(app)).toMatchObject({ status: 401, body: { code: "unauthorized" } });

    await stack.sql`update genflow.erasures
      set asked_at = asked_at - interval '4 hours', rows_gone_at = rows_gone_at - interval '4 hours'`;
    await sweepUntil(async () =>
      (await stack.sql`select from genflow.erasures where user_id = ${app.userId}`).length === 0
    );
    expect(await tracesOf(app.userId, stack.sql)).toEqual([]);

    expect((await other.client.storage.from("generation-inputs").download(otherInput)).error).toBeNull();
    const { data: images } = await other.client.from("generation_images").select("path");
    expect(images).toHaveLength(1);
    expect((await other.client.storage.from("generations").download(images?.[0]?.path)).error).toBeNull();
    await other.close();
  });

  it("who has only uploaded leaves nothing either", async () => {
    await upload(app);
    await deleteUser(app.userId);
    await sweepUntil(() => isErased(app.userId));
    await expectNoOrphans();
  });

  it("works twice and for nobody: the second time there is no such user", async () => {
    await deleteUser(app.userId);
    expect((await admin.auth.admin.deleteUser(app.userId)).error).toMatchObject({ status: 404 });
    expect(await stack.sql`select from genflow.erasures where user_id = ${app.userId}`).toHaveLength(1);
  });

  it("works without the trigger, and the sweep finds the user", async () => {
    await untilEnded(app, await startJob(app));
    await stack.sql`revoke all on table genflow.erasures from postgres`;
    await deleteUser(app.userId);
    await stack.sql`grant all on table genflow.erasures to postgres`;
    await sweepUntil(() => isErased(app.userId));
    await expectNoOrphans();
  });
});

describe("what nobody should find any more", () => {
  it("a deleted picture's file goes, with its thumbnail's", async () => {
    await untilEnded(app, await startJob(app));
    const { data } = await app.client.from("generation_images").select("id").single();
    expect(await objectsOf(app.userId)).not.toEqual([]);
    expect((await app.client.rpc("delete_images", { p_image_ids: [data?.id] })).error).toBeNull();
    await sweepUntil(async () => (await objectsOf(app.userId)).length === 0);
    await expectNoOrphans();
  });

  it("what a lost worker stored goes, and goes again if it was stored after that", async () => {
    const path = `${app.userId}/${randomUUID()}/0-12345678`;
    const store = () => admin.storage.from("generations").upload(path, picture, { contentType: "image/png" });
    expect((await store()).error).toBeNull();
    // As the kernel notes each path that it hands out.
    await stack.sql`insert into genflow.storage_purges (bucket_id, path, reason, due_at, rounds_left)
      values ('generations', ${path}, 'never_recorded', now(), 2)`;
    await sweepUntil(async () => (await objectsOf(app.userId)).length === 0);
    expect((await store()).error).toBeNull();
    await sweepUntil(async () => (await objectsOf(app.userId)).length === 0);
    await expectNoOrphans();
  });
});
