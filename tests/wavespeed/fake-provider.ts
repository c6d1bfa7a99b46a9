// What the tests of the stand-in share: one that is started and stopped with each test, its control, a client, and
// an endpoint that collects callbacks.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished, vi } from "vitest";
import {
  createWavespeed,
  type Prediction,
  type Submission,
  type Wavespeed,
} from "../../shared/wavespeed/mod.ts";
import { type FakeWavespeed, startFakeWavespeed } from "../../supabase/local/fake-wavespeed/mod.ts";

export interface Journal {
  settings: Record<string, unknown>;
  predictions: {
    id: string;
    status: string;
    outputs: { path: string; sha256: string }[];
    callbacks: { sent: number; dropped: number };
  }[];
}

export interface Provider {
  fake: FakeWavespeed;
  wavespeed: Wavespeed;
  control(settings: Record<string, unknown>, path?: string): Promise<Response>;
  journal(): Promise<Journal>;
  /** Submits to flux-dev, small, unless told otherwise. */
  submit(
    input?: Record<string, unknown>,
    more?: { modelId?: string; webhookUrl?: string },
  ): Promise<Submission>;
  /** Submits and waits for the end. */
  make(
    input?: Record<string, unknown>,
    more?: { modelId?: string; webhookUrl?: string },
  ): Promise<Prediction>;
  ended(submission: Submission): Promise<Prediction>;
}

export async function startProvider(
  options: { latencyMs?: number; concurrency?: number } = {},
): Promise<Provider> {
  const fake = await startFakeWavespeed({ latencyMs: 0, ...options });
  onTestFinished(() => fake.stop());
  const wavespeed = createWavespeed({ baseUrl: fake.url, apiKey: fake.apiKey });
  const provider: Provider = {
    fake,
    wavespeed,
    control: (settings, path = "") =>
      fetch(`${fake.url}/control${path}`, { method: "POST", body: JSON.stringify(settings) }),
    journal: async () => await (await fetch(`${fake.url}/control`)).json() as Journal,
    submit: (input = {}, { modelId = "wavespeed-ai/flux-dev", webhookUrl } = {}) =>
      wavespeed.submit({
        modelId,
        input: { prompt: "a red fox", ...(modelId.includes("flux") ? { size: "256*256" } : {}), ...input },
        deadlineMs: 10_000,
        ...(webhookUrl === undefined ? {} : { webhookUrl }),
      }),
    make: async (...request) => await provider.ended(await provider.submit(...request)),
    ended: async (submission) => {
      if (submission.kind !== "accepted") throw new Error(JSON.stringify(submission));
      return await until(async () => {
        const result = await wavespeed.result(submission.taskId);
        if (result.kind !== "prediction") throw new Error(JSON.stringify(result));
        return ["created", "processing"].includes(result.prediction.status) ? null : result.prediction;
      });
    },
  };
  return provider;
}

/** Asks until there is an answer. */
export async function until<Value>(ask: () => Promise<Value | null> | Value | null): Promise<Value> {
  return await vi.waitFor(async () => {
    const answer = await ask();
    if (answer === null) throw new Error("not yet");
    return answer;
  }, { timeout: 10_000, interval: 10 });
}

export interface Callback {
  headers: Headers;
  body: Uint8Array;
}

/** `statuses` are given to the callbacks in their order, 200 after the last. */
export async function startHook(statuses: number[] = []): Promise<{ url: string; callbacks: Callback[] }> {
  const callbacks: Callback[] = [];
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const headers = new Headers(
        Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
      );
      outgoing.writeHead(statuses[callbacks.length] ?? 200).end();
      callbacks.push({ headers, body: Buffer.concat(chunks) });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    })
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=1&b=2`, callbacks };
}
