// The profile through the client SDK on a real stack: the feed, drafts, and what is told of what ended unobserved.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { Feed, FeedQuery, GenerationService } from "../../shared/client/mod.ts";
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
  await stack.provider({ latencyMs: 50, failTasks: false, moderateWords: ["forbidden"] });
  phone = openDevice(stack);
});
afterEach(() => phone.stop());

/** What an end is waited for with, so that nothing of it counts as observed. */
async function hasEnded(service: GenerationService, jobId: string): Promise<void> {
  await vi.waitFor(() => {
    expect(service.pending().get().find(({ job }) => job?.id === jobId)).toBeUndefined();
    expect(service.notifications.all.get().find((each) => each.jobId === jobId)).toBeDefined();
  }, 20_000);
}

async function observed(service: GenerationService, jobId: string): Promise<void> {
  for await (const _ of service.observe(jobId));
}

async function shown(feed: Feed, query: FeedQuery, holds: (feed: Feed) => void): Promise<void> {
  feed.change(query);
  await vi.waitFor(() => {
    expect(feed.state.get().phase).toBe("ready");
    holds(feed);
  });
}

test("a tap stands in the feed at once, keeps its place as a job and a picture, and goes with its last picture", async () => {
  const { service } = await phone.launch();
  await service.models();
  const feed = service.feed();
  await vi.waitFor(() => expect(feed.state.get()).toMatchObject({ phase: "ready", items: [] }));
  const keys: string[][] = [];
  feed.state.subscribe(() => keys.push(feed.state.get().items.map(({ key }) => key)));
  const starting = service.startGeneration(request);
  await vi.waitFor(() => expect(feed.state.get().items).toMatchObject([{ phase: "sending", job: null }]));
  const [tap] = feed.state.get().items;
  const job = await starting;
  await observed(service, job.id);
  await vi.waitFor(() => expect(feed.state.get().items).toMatchObject([{ key: tap!.key, images: [{}] }]));
  // Never away on its way from a tap to a picture, nor twice.
  const seen = keys.slice(keys.findIndex((each) => each.length > 0));
  expect(new Set(seen.map((each) => each.join())), "keys that were shown").toEqual(new Set([tap!.key]));
  const [picture] = feed.state.get().items[0]!.images;
  const stored = await fetch(await service.images.url(picture!.path));
  expect((await stored.arrayBuffer()).byteLength).toBe(picture!.bytes);
  await expect(service.images.url("nobody/nothing")).rejects.toMatchObject({ code: "picture_gone" });
  await service.setFavorite(picture!.id, true);
  expect(feed.state.get().items[0]!.images[0]!.favorite).toBe(true);
  expect(await service.deleteImages([picture!.id])).toEqual([picture!.id]);
  await vi.waitFor(() => expect(feed.state.get().items).toEqual([]));
  await feed.refresh();
  expect(feed.state.get()).toMatchObject({ phase: "ready", items: [], hasMore: false });
  feed.close();
});

test("a feed pages, filters, orders and searches, and another device's changes come in", async () => {
  const { service } = await phone.launch();
  const prompts = ["a red fox", "a blue whale", "a red lighthouse"];
  const jobs = [];
  for (const prompt of prompts) jobs.push(await service.startGeneration({ ...request, prompt }));
  for (const job of jobs) await observed(service, job.id);
  const ids = jobs.map(({ id }) => id);
  const feed = service.feed({ pageSize: 2 });
  const shownIds = () => feed.state.get().items.map(({ job }) => job?.id);
  await vi.waitFor(() => expect(feed.state.get().phase).toBe("ready"));
  expect(shownIds()).toEqual([ids[2], ids[1]]);
  expect(feed.state.get().hasMore).toBe(true);
  await feed.more();
  expect(shownIds()).toEqual([ids[2], ids[1], ids[0]]);
  await shown(feed, { words: "RED", sort: "oldest" }, () => expect(shownIds()).toEqual([ids[0], ids[2]]));
  await shown(feed, { favorite: true }, () => expect(shownIds()).toEqual([]));
  // Asked for elsewhere: it is in the filter from then on.
  const elsewhere = openDevice(stack);
  await elsewhere.takeOver(phone);
  const { service: other } = await elsewhere.launch();
  const theirs = other.feed();
  await vi.waitFor(() => expect(theirs.state.get().items).toHaveLength(3));
  const whale = theirs.state.get().items.find(({ job }) => job?.id === ids[1]);
  await other.setFavorite(whale!.images[0]!.id, true);
  await vi.waitFor(() => expect(shownIds()).toEqual([ids[1]]), 10_000);
  await elsewhere.stop();
  feed.close();
}, 90_000);

test("a draft is one tap until it is edited, outlives the app, and a failed job turns back into one", async () => {
  const { service } = await phone.launch();
  await service.refresh();
  const draft = service.drafts.save({ ...request, prompt: "a forbidden fox" });
  const job = await service.startGeneration(draft);
  expect((await service.startGeneration(draft)).id).toBe(job.id);
  await hasEnded(service, job.id);
  const { service: next } = await phone.launch();
  await vi.waitFor(() => expect(next.drafts.all.get()).toMatchObject([{ id: draft.id, key: null }]));
  next.drafts.remove(draft.id);
  const again = await next.drafts.fromJob(job.id);
  expect(again.words).toEqual({ ...request, prompt: "a forbidden fox", numImages: 1, inputPaths: [] });
  const edited = next.drafts.save({ ...again.words, prompt: "a fox" }, again.id);
  const mended = await next.startGeneration(edited);
  expect(mended.id).not.toBe(job.id);
  await observed(next, mended.id);
  // Its job has ended: the next tap asks for another picture.
  expect((await next.startGeneration(edited)).id).not.toBe(mended.id);
  expect(await next.prompt(mended.id)).toBe("a fox");
  await expect(next.startGeneration(next.drafts.save({ prompt: "a fox" }))).rejects.toMatchObject({
    code: "invalid_request",
    facts: { fields: ["modelId", "aspectRatio"] },
  });
});

test("what ended unobserved is told once, with its logs and a retry, and stays seen after a relaunch", async () => {
  const { service } = await phone.launch();
  const watched = await service.startGeneration(request);
  await observed(service, watched.id);
  await service.refresh();
  expect(service.notifications.all.get()).toEqual([]);
  const failing = await service.startGeneration({ ...request, prompt: "a forbidden fox" });
  await hasEnded(service, failing.id);
  const [notice] = service.notifications.all.get();
  expect(notice).toMatchObject({
    kind: "failed",
    title: "The provider refused this as unsafe.",
    traceId: failing.traceId,
    seen: false,
    retryable: false,
  });
  expect(service.notifications.unseen.get()).toBe(1);
  const logs = await notice!.viewLogs();
  expect(logs.at(-1)).toMatchObject({ jobId: failing.id, status: "failed" });
  expect(JSON.stringify(logs)).not.toContain("forbidden");
  service.notifications.see();
  const { service: next } = await phone.launch();
  await vi.waitFor(() =>
    expect(next.notifications.all.get()).toMatchObject([{ id: notice!.id, seen: true }])
  );
  expect(next.notifications.unseen.get()).toBe(0);
  const retried = await next.notifications.all.get()[0]!.retry();
  expect(retried).toMatchObject({ retryOf: failing.id });
  await hasEnded(next, retried.id);
  next.notifications.dismiss(notice!.id);
  expect(next.notifications.all.get()).toMatchObject([{ jobId: retried.id }]);
});

test("credits that run low are told once", async () => {
  phone = openDevice(stack, { creditsLowBelow: 199 });
  const { service } = await phone.launch();
  for (const prompt of ["a fox", "a whale"]) {
    const job = await service.startGeneration({ ...request, prompt });
    await observed(service, job.id);
  }
  await service.refresh();
  const kinds = () => service.notifications.all.get().map(({ kind }) => kind);
  expect(kinds()).toEqual(["credits_low"]);
  const { service: next } = await phone.launch();
  await next.refresh();
  expect(next.notifications.all.get()).toHaveLength(1);
});
