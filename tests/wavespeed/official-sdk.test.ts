// The provider's own SDK against the stand-in, over HTTP and as its README has it: what it expects of the API, the
// stand-in must give.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  Client,
  WavespeedPredictionException,
  WavespeedSubmissionException,
  WavespeedSyncTimeoutException,
} from "wavespeed";
import { type Provider, startProvider, until } from "./fake-provider.ts";

const model = "wavespeed-ai/flux-dev";
const input = { prompt: "a red fox", size: "256*256" };
const soon = { pollInterval: 0.02 };

function clientOf({ fake }: Provider, apiKey = fake.apiKey): Client {
  return new Client(apiKey, { baseUrl: fake.url, retryInterval: 0.01 });
}

/** What an exception of the SDK says of itself. */
async function failureOf(work: Promise<unknown>): Promise<Error> {
  const outcome = await work.then(() => null, (error: unknown) => error);
  if (!(outcome instanceof Error)) throw new Error("it did not fail");
  return outcome;
}

describe("the official SDK", () => {
  test("runs a job, and the picture that it names can be downloaded", async () => {
    const provider = await startProvider({ latencyMs: 60 });
    const { outputs } = await clientOf(provider).run(model, { ...input, num_images: 2 }, soon);
    expect(outputs).toHaveLength(2);
    const response = await fetch(String(outputs[0]));
    const { width, height, format } = await sharp(await response.arrayBuffer()).metadata();
    expect([width, height, format]).toEqual([256, 256, "jpeg"]);
    expect((await provider.journal()).predictions).toMatchObject([{ status: "completed" }]);
  });

  test("uploads a file in its two steps, and an edit model draws over it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "genflow-sdk-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const bytes = await sharp({ create: { width: 80, height: 60, channels: 3, background: "#ff0000" } })
      .png().toBuffer();
    const path = join(folder, "reference.png");
    await writeFile(path, bytes);
    const provider = await startProvider();
    const client = clientOf(provider);
    const url = await client.upload(path);
    const stored = await fetch(url);
    expect(stored.headers.get("content-type")).toBe("image/png");
    expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true);
    const edit = { prompt: "a fox", images: [url], size: "256*256" };
    const { outputs } = await client.run("wavespeed-ai/qwen-image/edit-plus", edit, soon);
    const { channels } = await sharp(await (await fetch(String(outputs[0]))).arrayBuffer()).stats();
    expect(channels[0]?.mean).toBeGreaterThan((channels[2]?.mean ?? 0) + 30);
  });

  test("is told why a task failed, and keeps its id", async () => {
    const provider = await startProvider();
    await provider.control({ failTasks: true, failure: { code: 1403, message: "no luck" } });
    const client = clientOf(provider);
    expect((await failureOf(client.run(model, input, soon))).message).toMatch(/task_id: .+: no luck/);
    const { outputs, detail } = await client.runNoThrow(model, input, soon);
    const [, task] = (await provider.journal()).predictions;
    expect([outputs, detail.taskId, detail.status]).toEqual([null, task?.id, "failed"]);
    expect(detail.error).toBeInstanceOf(WavespeedPredictionException);
  });

  test.each(["cancelled", "timeout", "deleted"])("stops at a task that ended as %s", async (ending) => {
    const provider = await startProvider();
    await provider.control({ endTasks: true, ending });
    const failure = await failureOf(clientOf(provider).run(model, input, soon));
    expect(failure.message).toMatch(new RegExp(`Task ${ending}`));
  });

  test("is told of a wrong key, of a bad input and of an unknown model, and makes no task", async () => {
    const provider = await startProvider();
    const [client, stranger] = [clientOf(provider), clientOf(provider, "wrong")];
    const failures = await Promise.all([
      failureOf(stranger.run(model, input, soon)),
      failureOf(client.run(model, { ...input, size: "1x1" }, soon)),
      failureOf(client.run("wavespeed-ai/no-such", input, soon)),
    ]);
    for (const failure of failures) expect(failure).toBeInstanceOf(WavespeedSubmissionException);
    expect(failures.map(({ message }) => /HTTP (\d+)/.exec(message)?.[1])).toEqual(["401", "400", "404"]);
    expect((await provider.journal()).predictions).toEqual([]);
  });

  test("sends a submit once though its answer is lost", async () => {
    const provider = await startProvider();
    await provider.control({ dropSubmitAnswers: true });
    const failure = await failureOf(clientOf(provider).run(model, input, { ...soon, maxRetries: 2 }));
    expect(failure).toBeInstanceOf(WavespeedSubmissionException);
    expect((await provider.journal()).predictions).toHaveLength(1);
  });

  test("asks again where a result is answered by a gateway", async () => {
    const provider = await startProvider();
    const log = [vi.spyOn(console, "log"), vi.spyOn(console, "error")];
    for (const one of log) one.mockImplementation(() => {});
    onTestFinished(() => log.forEach((one) => one.mockRestore()));
    await provider.control({ breakAnswers: 2 });
    const { outputs } = await clientOf(provider).run(model, input, soon);
    expect(outputs).toHaveLength(1);
    expect((await provider.journal()).settings["breakAnswers"]).toBe(0);
  });

  test("gets the outputs at once in sync mode", async () => {
    const provider = await startProvider({ latencyMs: 60 });
    const { outputs } = await clientOf(provider).run(model, input, { enableSyncMode: true });
    expect((await fetch(String(outputs[0]))).status).toBe(200);
  });

  test("is told when the wait in sync mode runs out, while the task goes on", async () => {
    const provider = await startProvider({ latencyMs: 300_000 });
    const client = clientOf(provider);
    const waiting = failureOf(client.run(model, input, { enableSyncMode: true }));
    const id = await until(async () => (await provider.journal()).predictions[0]?.id ?? null);
    await provider.advance(91);
    const failure = await waiting;
    expect(failure).toBeInstanceOf(WavespeedSyncTimeoutException);
    expect(failure.message).toContain("Sync mode timed out after 90 seconds");
    expect(failure).toMatchObject({
      taskId: id,
      resultUrl: `${provider.fake.url}/api/v3/predictions/${id}/result`,
    });
    await provider.advance(300);
    const statuses = async () => (await provider.journal()).predictions.map(({ status }) => status);
    await expect.poll(statuses).toEqual(["completed"]);
  });

  test("is refused by a gateway in sync mode, while the task goes on", async () => {
    const provider = await startProvider({ latencyMs: 60_000 });
    await provider.control({ syncTimeout: "gateway", syncLimitMs: 20 });
    const failure = await failureOf(clientOf(provider).run(model, input, { enableSyncMode: true }));
    expect(failure).toBeInstanceOf(WavespeedSubmissionException);
    expect(failure.message).toContain("HTTP 504: <html>");
    expect((await provider.journal()).predictions).toMatchObject([{ status: "processing" }]);
  });
});
