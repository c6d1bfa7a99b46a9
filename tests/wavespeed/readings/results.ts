// What results, the list and deletions say.

import { expect } from "vitest";
import { ended, failureClass } from "../../../shared/wavespeed/mod.ts";
import { ask, type Provider, taskOf } from "../fake-provider.ts";
import { each, type Reading } from "./reading.ts";

/** A completed task with a picture. */
async function draw({ make, control }: Provider) {
  await control({ latencyMs: 0 });
  return await make();
}

async function firstListed({ wavespeed }: Provider) {
  const nowMs = Date.now();
  const window = { createdAfter: new Date(nowMs - 60_000), createdBefore: new Date(nowMs + 60_000) };
  const page = await wavespeed.list({ ...window, page: 1, pageSize: 10 });
  if (page.kind !== "ok") throw new Error(page.kind);
  return { ...page.value, item: page.value.items[0] };
}

export const resultReadings: readonly Reading[] = [
  ...each(
    "runningStatus",
    "a task that runs has not ended",
    ["processing", "pending", "archiving"],
    async ({ submit, wavespeed }, value) => {
      const result = await wavespeed.result(taskOf(await submit()));
      if (result.kind !== "prediction") throw new Error(result.kind);
      const known: Record<string, string> = { processing: "processing", pending: "created" };
      expect(result.prediction.status).toBe(known[String(value)] ?? "unknown_status");
      expect([ended(result.prediction), failureClass(result.prediction)]).toEqual([false, null]);
    },
  ),
  ...each(
    "ending",
    "the task has ended, in a class of its own",
    ["cancelled", "timeout", "deleted"],
    async ({ make, control }, value) => {
      await control({ latencyMs: 0, endTasks: true });
      const prediction = await make();
      expect([ended(prediction), failureClass(prediction)]).toEqual([true, value]);
    },
  ),
  {
    setting: "ending",
    value: "archived",
    then: "an end that nobody knows is none",
    prove: async ({ submit, wavespeed, journal, control }) => {
      await control({ latencyMs: 0, endTasks: true });
      const id = taskOf(await submit());
      await expect.poll(async () => (await journal()).predictions[0]?.status).toBe("archived");
      expect(await wavespeed.result(id)).toMatchObject({
        prediction: { status: "unknown_status", rawStatus: "archived" },
      });
    },
  },
  ...each("resultUrl", "the result is found", ["long", "short"], async (provider, value) => {
    const { id, status } = await draw(provider);
    expect(status).toBe("completed");
    const { body } = await ask(provider, `GET predictions/${id}/result`);
    const url = `${provider.fake.url}/api/v3/predictions/${id}`;
    expect(body.data.urls.get).toBe(value === "long" ? `${url}/result` : url);
  }),
  ...each("shortResultUrl", "the result is found", ["served", "gone"], async (provider, value) => {
    const { id, status } = await draw(provider);
    expect(status).toBe("completed");
    expect(await ask(provider, `GET predictions/${id}`)).toMatchObject({
      status: value === "served" ? 200 : 404,
    });
  }),
  ...each("omitFlags", "pictures are flagged, or not said to be", [false, true], async (provider, value) => {
    await provider.control({ flagOutputs: true });
    const prediction = await draw(provider);
    expect([prediction.outputs.length, prediction.flagged]).toEqual([1, value === true ? [] : [true]]);
    expect(failureClass(prediction)).toBeNull();
  }),
  ...each("timing", "the duration is read", ["timings", "executionTime", "both"], async (provider, value) => {
    const { id, inferenceMs } = await draw(provider);
    expect(inferenceMs).toBeGreaterThanOrEqual(0);
    const { data } = (await ask(provider, `GET predictions/${id}/result`)).body;
    const given = [data.timings?.inference, data.executionTime].map((ms) => ms === undefined ? null : ms);
    expect(given).toEqual([
      value === "executionTime" ? null : inferenceMs,
      value === "timings" ? null : inferenceMs,
    ]);
  }),
  ...each("emptyError", "a good result has no error", ["text", "absent"], async (provider, value) => {
    const prediction = await draw(provider);
    expect(prediction).toMatchObject({ status: "completed", error: null, errorCode: null });
    const { data } = (await ask(provider, `GET predictions/${prediction.id}/result`)).body;
    expect(data.error).toBe(value === "text" ? "" : undefined);
  }),
  ...each(
    "inputInResults",
    "the result is read, with its input if it has one",
    [false, true],
    async (provider, value) => {
      const prediction = await draw(provider);
      expect(prediction.status).toBe("completed");
      expect("input" in prediction).toBe(value);
    },
  ),
  ...each("outputForm", "the picture's URL is read", ["url", "object"], async (provider, value) => {
    const { id, outputs: [url = ""], otherOutputs, flagged } = await draw(provider);
    expect([otherOutputs, flagged]).toEqual([[], [false]]);
    expect((await fetch(url)).status).toBe(200);
    const { data } = (await ask(provider, `GET predictions/${id}/result`)).body;
    expect(data.outputs).toEqual([value === "object" ? { url } : url]);
  }),
  ...each("expiredOutput", "a picture is gone after 7 days", ["403", "404"], async (provider, value) => {
    const { id, outputs } = await draw(provider);
    const day = 24 * 60 * 60;
    await provider.advance(7 * day - 60);
    expect((await fetch(outputs[0] ?? "")).status).toBe(200);
    await provider.advance(60);
    expect((await fetch(outputs[0] ?? "")).status).toBe(Number(value));
    expect(await provider.wavespeed.result(id)).toEqual({ kind: "not_found" });
  }),
  ...each(
    "listTotal",
    "the list is read, with its total if it has one",
    [false, true],
    async (provider, value) => {
      for (let count = 0; count < 2; count++) await provider.submit();
      const { items, total } = await firstListed(provider);
      expect([items.length, total]).toEqual([2, value === true ? 2 : null]);
    },
  ),
  ...each(
    "echoInputs",
    "the list is read, with its inputs if it has them",
    [true, false],
    async (provider, value) => {
      await provider.submit({ seed: 7 });
      expect((await firstListed(provider)).item?.input?.["seed"]).toBe(value === true ? 7 : undefined);
    },
  ),
  ...each("listInput", "the listed input is read", ["input", "inputs"], async (provider, value) => {
    await provider.submit({ seed: 7 });
    expect((await firstListed(provider)).item?.input).toMatchObject({ prompt: "a red fox", seed: 7 });
    const [item] = (await ask(provider, "POST predictions", {})).body.data.items;
    expect(["input" in item, "inputs" in item]).toEqual([value === "input", value === "inputs"]);
  }),
  {
    setting: "oldDelete",
    value: "finished",
    then: "a running task cannot be deleted and runs on, an ended one can",
    prove: async ({ submit, ended, wavespeed, control }) => {
      const running = await submit();
      const id = taskOf(running);
      expect(await wavespeed.delete(id)).toMatchObject({ kind: "unavailable", cause: "refused" });
      expect(await wavespeed.result(id)).toMatchObject({ prediction: { status: "processing" } });
      await control({ latencyMs: 0, emptyOutputs: true });
      await ended(running);
      expect(await wavespeed.delete(id)).toEqual({ kind: "ok", value: { status: "deleted" } });
    },
  },
  {
    setting: "oldDelete",
    value: "stops",
    then: "a running task is stopped",
    prove: async ({ submit, wavespeed }) => {
      const id = taskOf(await submit());
      expect(await wavespeed.delete(id)).toEqual({ kind: "ok", value: { status: "deleted" } });
      expect(await wavespeed.result(id)).toMatchObject({ prediction: { status: "deleted" } });
    },
  },
  {
    setting: "oldDelete",
    value: "off",
    then: "the task is not found by the deletion, and still by its result",
    prove: async ({ submit, wavespeed }) => {
      const id = taskOf(await submit());
      expect(await wavespeed.delete(id)).toEqual({ kind: "not_found" });
      expect(await wavespeed.result(id)).toMatchObject({ prediction: { status: "processing" } });
    },
  },
  ...each("stoppedStatus", "a stopped task has ended", ["deleted", "cancelled"], async (provider, value) => {
    await provider.control({ oldDelete: "stops" });
    const submission = await provider.submit();
    expect(await provider.wavespeed.delete(taskOf(submission)))
      .toEqual({ kind: "ok", value: { status: value } });
    expect(failureClass(await provider.ended(submission))).toBe(value);
  }),
  ...each(
    "oldRoutes",
    "nothing of ours needs the old routes",
    ["gone", "served"],
    async (provider, value) => {
      const { wavespeed } = provider;
      expect(await wavespeed.balance()).toMatchObject({ kind: "ok" });
      expect(await wavespeed.upload(new Blob(["x"]), "x")).toMatchObject({ kind: "ok" });
      expect((await firstListed(provider)).items).toEqual([]);
      for (const line of ["GET predictions", "GET account/balance", "GET account/usage"]) {
        expect((await ask(provider, line)).status, line).toBe(value === "served" ? 200 : 404);
      }
    },
  ),
];
