// Stops a stand-in that runs a task, and one that draws from an input that never comes, holds an answer and waits to
// repeat a callback. Nothing here ends the process: a timer or a request that is left behind keeps it alive.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";
import { startFakeWavespeed } from "../../supabase/local/fake-wavespeed/mod.ts";

const waiting = await startFakeWavespeed({ latencyMs: 60_000 });
await createWavespeed({ baseUrl: waiting.url, apiKey: waiting.apiKey })
  .submit({ modelId: "wavespeed-ai/flux-dev", input: { prompt: "a fox" }, deadlineMs: 60_000 });
await waiting.stop();

const fake = await startFakeWavespeed({ latencyMs: 0, concurrency: 10 });
const wavespeed = createWavespeed({ baseUrl: fake.url, apiKey: fake.apiKey });
const { promise: bothCame, resolve } = Promise.withResolvers<void>();
const awaited = new Set(["POST /refusing", "GET /silent"]);
const other = createServer((incoming, outgoing) => {
  incoming.resume();
  if (incoming.url === "/refusing") {
    // An idle connection, kept for the next request, would look like one that was left behind.
    outgoing.writeHead(500, { connection: "close" }).end();
  }
  awaited.delete(`${incoming.method} ${incoming.url}`);
  if (awaited.size === 0) resolve();
});
await new Promise<void>((listening) => other.listen(0, "127.0.0.1", listening));
const otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
const control = (settings: object) =>
  fetch(`${fake.url}/control`, { method: "POST", body: JSON.stringify(settings) });
const submit = (modelId: string, input: object, webhookUrl?: string) =>
  wavespeed.submit({ modelId, input: { prompt: "a fox", ...input }, webhookUrl, deadlineMs: 60_000 });

await control({ failTasks: 1 });
await submit("wavespeed-ai/flux-dev", { size: "256*256" }, `${otherUrl}/refusing`);
await submit("google/nano-banana/edit", { images: [`${otherUrl}/silent`] });
await bothCame;
await control({ latencyMs: 60_000, holdSubmitAnswers: true });
const held = submit("wavespeed-ai/flux-dev", { size: "256*256" });
while (await taskCount() < 3);
await fake.stop();
await held;
other.close();
const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout");
console.log(`stopped with ${timers.length} timers`);

async function taskCount(): Promise<number> {
  const journal: { predictions: unknown[] } = await (await fetch(`${fake.url}/control`)).json();
  return journal.predictions.length;
}
