// What the tests of the stand-in share: one that is started and stopped with each test, its control, a client, and
// an endpoint that collects callbacks.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished, vi } from "vitest";
import {
  createWavespeed,
  ended,
  type Prediction,
  type Submission,
  type Wavespeed,
} from "../../shared/wavespeed/mod.ts";
import {
  type FakeWavespeed,
  type FakeWavespeedOptions,
  startFakeWavespeed,
} from "../../supabase/local/fake-wavespeed/mod.ts";

export interface Journal {
  settings: Record<string, unknown>;
  dueInSeconds: number[];
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
  /** Changes settings, all of which must be allowed; or does what stands under `path`, and tells how it went. */
  control(settings: Record<string, unknown>, path?: string): Promise<Response>;
  /** Moves the stand-in's clock. */
  advance(seconds: number): Promise<Response>;
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
  options: Pick<FakeWavespeedOptions, "latencyMs" | "concurrency" | "settings"> = {},
): Promise<Provider> {
  const fake = await startFakeWavespeed({ latencyMs: 0, ...options });
  onTestFinished(() => fake.stop());
  const wavespeed = createWavespeed({ baseUrl: fake.url, apiKey: fake.apiKey });
  const provider: Provider = {
    fake,
    wavespeed,
    control: async (settings, path = "") => {
      const request = { method: "POST", body: JSON.stringify(settings) };
      const response = await fetch(`${fake.url}/control${path}`, request);
      // A fault that was misspelt would let a test pass that proves nothing.
      if (path === "" && !response.ok) throw new Error(await response.text());
      return response;
    },
    advance: (seconds) => provider.control({ seconds }, "/advance"),
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
      const taskId = taskOf(submission);
      return await until(async () => {
        const result = await wavespeed.result(taskId);
        if (result.kind !== "prediction") throw new Error(JSON.stringify(result));
        return ended(result.prediction) ? result.prediction : null;
      });
    },
  };
  return provider;
}

/** A request that the client does not make, as `GET balance`, with the key unless other headers are given. */
export async function ask(
  { fake }: Provider,
  line: string,
  body?: unknown,
  headers: Record<string, string> = { authorization: `Bearer ${fake.apiKey}` },
) {
  const [method, path] = line.split(" ");
  const request = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await fetch(`${fake.url}/api/v3/${path}`, request);
  const text = await response.text();
  return { status: response.status, body: /^[{[]/.test(text) ? JSON.parse(text) : text };
}

/** The id of a submission that was accepted. */
export function taskOf(submission: Submission): string {
  if (submission.kind !== "accepted") throw new Error(JSON.stringify(submission));
  return submission.taskId;
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
export async function startHook(
  statuses: (number | "silent")[] = [],
): Promise<{ url: string; callbacks: Callback[] }> {
  const callbacks: Callback[] = [];
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const headers = new Headers(
        Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
      );
      const status = statuses[callbacks.length] ?? 200;
      if (status !== "silent") outgoing.writeHead(status).end();
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
