// What a client reads when it has missed more than it can take up row by row, or when the backend has gone back.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { fillLibrary } from "../database/library.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";
import { type Device, openDevice } from "./device.ts";
import { request } from "./request.ts";

let stack: ControlledStack;
let phone: Device;
beforeAll(async () => {
  stack = await startControlledStack();
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  await stack.provider({ latencyMs: 50 });
  phone = openDevice(stack);
});
afterEach(() => phone.stop());

test("more than a thousand changes at once: what is shown is read anew", async () => {
  const { service, userId } = await phone.launch();
  await service.refresh();
  const feed = service.feed();
  await vi.waitFor(() => expect(feed.state.get()).toMatchObject({ phase: "ready", items: [] }));
  // The list was read to its end, and is again.
  await fillLibrary(stack.sql, { userId, jobs: 1500, favoriteEvery: 100 });
  await service.refresh();
  await vi.waitFor(() => expect(feed.state.get().items).toHaveLength(1500), 15_000);
  expect(service.account.get()?.seq).toBe(1500);
  const job = await service.startGeneration(request);
  const statuses: string[] = [];
  for await (const record of service.observe(job.id)) statuses.push(record.job!.status);
  expect(statuses.at(-1)).toBe("completed");
  expect(feed.state.get().items[0]).toMatchObject({ job: { id: job.id }, images: [{}] });
});

test("a restored backup: nothing that was known holds, and what comes next is shown", async () => {
  const { service, userId } = await phone.launch();
  await service.refresh();
  const feed = service.feed();
  const lost = await service.startGeneration(request);
  for await (const _ of service.observe(lost.id));
  await vi.waitFor(() => expect(feed.state.get().items).toMatchObject([{ images: [{}] }]), 15_000);
  await service.refresh();
  // As it was before the tap.
  await stack.sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    for (const table of ["images", "events", "prompts", "jobs"]) {
      await sql`delete from ${sql(`public.generation_${table}`)} where user_id = ${userId}`;
    }
    await sql`delete from genflow.attempts where job_id = ${lost.id}`;
    await sql`delete from public.credit_entries where user_id = ${userId} and job_id = ${lost.id}`;
    await sql`update genflow.accounts set feed_seq = 1 where user_id = ${userId}`;
  });
  await service.refresh();
  await vi.waitFor(() => expect(feed.state.get().items).toEqual([]), 15_000);
  expect(service.account.get()?.seq).toBe(1);
  const job = await service.startGeneration({ ...request, aspectRatio: "16:9" });
  for await (const _ of service.observe(job.id));
  await vi.waitFor(() =>
    expect(feed.state.get().items).toMatchObject([{ job: { id: job.id }, images: [{}] }])
  );
});
