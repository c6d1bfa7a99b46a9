import { describe, expect, onTestFinished, test, vi } from "vitest";
import { startProvider } from "./fake-provider.ts";

const minuteMs = 60_000;

/** A stand-in whose tasks run on, and its list as the client reads it. */
async function startListed() {
  const provider = await startProvider({ latencyMs: minuteMs, concurrency: 1000 });
  const { wavespeed, submit } = provider;
  const nowMs = Date.now();
  const list = async (query: Partial<Parameters<typeof wavespeed.list>[0]> = {}) => {
    const answer = await wavespeed.list({
      createdAfter: new Date(nowMs - minuteMs),
      createdBefore: new Date(nowMs + minuteMs),
      page: 1,
      pageSize: 100,
      ...query,
    });
    if (answer.kind !== "ok") throw new Error(JSON.stringify(answer));
    return answer.value;
  };
  const submitted = async (seed: number, modelId?: string) => {
    const submission = await submit({ seed }, modelId === undefined ? {} : { modelId });
    if (submission.kind !== "accepted") throw new Error(JSON.stringify(submission));
    return submission;
  };
  /** A list request as the client would not write it. */
  const ask = (body: object) =>
    fetch(`${provider.fake.url}/api/v3/predictions`, {
      method: "POST",
      headers: { authorization: `Bearer ${provider.fake.apiKey}` },
      body: JSON.stringify(body),
    });
  return { ...provider, list, submitted, ask };
}

describe("the list", () => {
  test("has the newest first, also where several were made in one millisecond", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const { list, submitted } = await startListed();
    for (const seed of [0, 1, 2, 3]) await submitted(seed);
    const { items, total, unreadable } = await list();
    expect(items.map(({ input }) => input?.["seed"])).toEqual([3, 2, 1, 0]);
    expect([total, unreadable]).toEqual([null, 0]);
    expect(new Set(items.map(({ createdAt }) => createdAt)).size).toBe(1);
  });

  test("comes page by page, and then empty", async () => {
    const { list, submitted } = await startListed();
    for (const seed of [1, 2, 3]) await submitted(seed);
    const page = async (number: number) =>
      (await list({ page: number, pageSize: 2 })).items.map(({ input }) => input?.["seed"]);
    expect([await page(1), await page(2), await page(3)]).toEqual([[3, 2], [1], []]);
  });

  test("has only the model that is asked for, or all", async () => {
    const { list, submitted } = await startListed();
    await submitted(1);
    await submitted(2, "google/nano-banana/text-to-image");
    const models = async (modelId?: string) =>
      (await list(modelId === undefined ? {} : { modelId })).items.map(({ model }) => model);
    expect(await models()).toEqual(["google/nano-banana/text-to-image", "wavespeed-ai/flux-dev"]);
    expect(await models("wavespeed-ai/flux-dev")).toEqual(["wavespeed-ai/flux-dev"]);
    expect(await models("wavespeed-ai/flux-schnell")).toEqual([]);
  });

  test("has what was made inside the window, its bounds included", async () => {
    const { list, submitted } = await startListed();
    await submitted(1);
    const [item] = (await list()).items;
    const atMs = Date.parse(item?.createdAt ?? "");
    const count = async (afterMs: number, beforeMs: number) =>
      (await list({ createdAfter: new Date(afterMs), createdBefore: new Date(beforeMs) })).items.length;
    expect(await count(atMs, atMs)).toBe(1);
    expect(await count(atMs + 1, atMs + minuteMs)).toBe(0);
    expect(await count(atMs - minuteMs, atMs - 1)).toBe(0);
  });

  test("can be narrowed to a status", async () => {
    const { wavespeed, make, submitted, control, ask } = await startListed();
    await control({ oldDelete: "stops" });
    const { taskId } = await submitted(1);
    await wavespeed.delete(taskId);
    await control({ latencyMs: 0, failTasks: 1 });
    const failed = await make({ seed: 2 });
    const { data } = await (await ask({ status: "failed" })).json();
    expect(data.items).toMatchObject([{ id: failed.id, status: "failed" }]);
    expect((await (await ask({ status: "completed" })).json()).data.items).toEqual([]);
  });

  test("echoes inputs, or not, as told", async () => {
    const { list, submitted, control } = await startListed();
    await submitted(5);
    expect((await list()).items[0]?.input).toMatchObject({ prompt: "a red fox", seed: 5 });
    await control({ echoInputs: false });
    expect((await list()).items[0]).not.toHaveProperty("input");
  });

  test.each([
    { page: 0 },
    { page_size: 101 },
    { page_size: 0 },
    { created_after: "yesterday" },
    { created_before: "2026-13-01T00:00:00Z" },
  ])("is refused for %j, since an empty page would look like a proof of absence", async (query) => {
    const { submitted, ask } = await startListed();
    await submitted(1);
    expect((await ask(query)).status).toBe(400);
  });
});

describe("deletion", () => {
  test("of a running task is refused, or stops it where that is told, and it says so from then on", async () => {
    const { wavespeed, submitted, control, journal } = await startListed();
    const { taskId } = await submitted(1);
    expect(await wavespeed.delete(taskId)).toMatchObject({ kind: "unavailable", httpStatus: 400 });
    expect(await wavespeed.result(taskId)).toMatchObject({ prediction: { status: "processing" } });
    await control({ oldDelete: "stops" });
    expect(await wavespeed.delete(taskId)).toEqual({ kind: "ok", value: { status: "deleted" } });
    await control({ latencyMs: 0 });
    const deleted = { prediction: { status: "deleted", outputs: [] } };
    expect(await wavespeed.result(taskId)).toMatchObject(deleted);
    expect((await journal()).predictions[0]).toMatchObject({ status: "deleted", callbacks: { sent: 0 } });
  });

  test("of a finished task forgets it and its pictures", async () => {
    const { wavespeed, make } = await startProvider();
    const { id, outputs } = await make();
    expect((await fetch(outputs[0] ?? "")).status).toBe(200);
    expect(await wavespeed.delete(id)).toEqual({ kind: "ok", value: { status: "deleted" } });
    expect(await wavespeed.result(id)).toEqual({ kind: "not_found" });
    expect(await wavespeed.delete(id)).toEqual({ kind: "not_found" });
    expect((await fetch(outputs[0] ?? "")).status).toBe(404);
  });

  test("of several at once takes the finished ones and passes over the running and the unknown", async () => {
    const { fake, wavespeed, make, submit, control, journal } = await startProvider();
    const done = [await make(), await make()];
    await control({ latencyMs: minuteMs });
    const running = await submit();
    if (running.kind !== "accepted") throw new Error(running.kind);
    const remove = async (body: object) => {
      const headers = { authorization: `Bearer ${fake.apiKey}` };
      const request = { method: "POST", headers, body: JSON.stringify(body) };
      return await fetch(`${fake.url}/api/v3/predictions/delete`, request);
    };
    const answer = await remove({ ids: [...done.map(({ id }) => id), running.taskId, "unknown"] });
    expect(await answer.json()).toMatchObject({ code: 200, data: { deleted_count: 2 } });
    expect((await journal()).predictions.map(({ id }) => id)).toEqual([running.taskId]);
    expect(await wavespeed.result(running.taskId)).toMatchObject({ prediction: { status: "processing" } });
    expect((await remove({})).status).toBe(400);
  });
});
