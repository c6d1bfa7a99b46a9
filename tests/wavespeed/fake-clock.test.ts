import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ask, startProvider, taskOf } from "./fake-provider.ts";

/** The machine's clock stands at 20 s past a full minute. */
function holdClock() {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2026-11-23T12:00:20Z") });
  onTestFinished(() => void vi.useRealTimers());
}

describe("the stand-in's clock", () => {
  test("takes a task from created through processing to its end", async () => {
    holdClock();
    const { submit, ended, wavespeed, control, advance } = await startProvider({ latencyMs: 30_000 });
    await control({ pickupMs: 10_000, emptyOutputs: true });
    const submission = await submit();
    const statusAfter = async (seconds: number) => {
      await advance(seconds);
      const result = await wavespeed.result(taskOf(submission));
      return result.kind === "prediction" ? result.prediction.status : result.kind;
    };
    expect(await statusAfter(0)).toBe("created");
    expect(await statusAfter(9)).toBe("created");
    expect(await statusAfter(1)).toBe("processing");
    expect(await statusAfter(19)).toBe("processing");
    await advance(1);
    expect(await ended(submission)).toMatchObject({ status: "completed", inferenceMs: 30_000 });
  });

  test("starts a task that waited when there is room, and gives it its whole time from then on", async () => {
    holdClock();
    const { submit, ended, wavespeed, control, advance } = await startProvider({
      latencyMs: 30_000,
      concurrency: 1,
    });
    await control({ concurrencyMode: "wait", emptyOutputs: true });
    const [first, second] = [await submit(), await submit()];
    await advance(30);
    await ended(first);
    await advance(29);
    expect(await wavespeed.result(taskOf(second))).toMatchObject({ prediction: { status: "processing" } });
    await advance(1);
    expect(await ended(second)).toMatchObject({ status: "completed" });
  });

  test("says in milliseconds when a task was submitted, and in nanoseconds, a little later, when it was stored", async () => {
    holdClock();
    const provider = await startProvider({ latencyMs: 60_000 });
    const { data: submitted } = (await ask(provider, "POST wavespeed-ai/flux-dev", { prompt: "a fox" })).body;
    const { data: stored } = (await ask(provider, `GET predictions/${submitted.id}/result`)).body;
    expect(submitted.created_at).toBe("2026-11-23T12:00:20.000Z");
    expect(stored.created_at).toMatch(/^2026-11-23T12:00:20\.002\d{6}Z$/);
  });

  test("lets a task be listed late, as told, and no longer than 7 days", async () => {
    holdClock();
    const provider = await startProvider({ latencyMs: 60_000 });
    await provider.control({ listLagMs: 20_000 });
    const id = taskOf(await provider.submit());
    const listedAfter = async (seconds: number) => {
      await provider.advance(seconds);
      return (await ask(provider, "POST predictions", {})).body.data.items.map((item: { id: string }) =>
        item.id
      );
    };
    expect(await listedAfter(19)).toEqual([]);
    expect(await listedAfter(1)).toEqual([id]);
    const week = 7 * 24 * 60 * 60;
    expect(await listedAfter(week - 21)).toEqual([id]);
    expect(await listedAfter(1)).toEqual([]);
  });

  test("begins a new window of pictures with each full minute, and refused ones do not count", async () => {
    holdClock();
    const { submit, advance, control } = await startProvider({ latencyMs: 600_000, concurrency: 100 });
    await control({ imagesPerMinute: 3, retryAfter: "seconds" });
    const kinds: string[] = [];
    for (const num_images of [2, 2, 1, 1]) kinds.push((await submit({ num_images })).kind);
    expect(kinds).toEqual(["accepted", "rejected", "accepted", "rejected"]);
    await advance(39);
    expect(await submit()).toMatchObject({ class: "rate_limited", retryAfterSeconds: 1 });
    await advance(1);
    expect(await submit({ num_images: 3 })).toMatchObject({ kind: "accepted" });
    expect(await submit()).toMatchObject({ class: "rate_limited", retryAfterSeconds: 60 });
  });

  test("goes forward only, and back by a reset", async () => {
    const { control, journal, advance } = await startProvider();
    for (const body of [{ seconds: -1 }, {}, { seconds: "1" }, { minutes: 1 }]) {
      expect((await control(body, "/advance")).status).toBe(400);
    }
    await advance(5);
    expect(await journal()).toMatchObject({ aheadSeconds: 5 });
    await control({}, "/reset");
    expect(await journal()).toMatchObject({ aheadSeconds: 0 });
    expect((await control({}, "/no-such")).status).toBe(404);
  });
});
