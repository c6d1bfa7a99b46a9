// What the tests of submit share: one request, answers as the provider writes them, and a server that gives one.

import { expect, onTestFinished } from "vitest";
import { createWavespeed, type Submission, type SubmitRequest } from "../../shared/wavespeed/mod.ts";
import { type RawServer, startRawServer } from "./raw-server.ts";

export const apiKey = "sk_test_0123456789abcdef";
export const prompt = "a very private red fox";
export const taskId = "45b392b22c3b449fa935bd4dc2219dfe";
export const request: SubmitRequest = {
  modelId: "wavespeed-ai/flux-dev",
  input: { prompt, size: "1024*1024" },
  webhookUrl: "https://app.example/hook?attempt=1&token=callback-token",
  deadlineMs: 5000,
};

/** The provider's frame, without a task. */
export function frame(code: number, message: string, more: object = {}): string {
  return JSON.stringify({ code, message, data: null, ...more });
}

/** The frame around a new task. */
export function accepted(data: object = {}): string {
  return frame(200, "success", { data: { id: taskId, status: "created", outputs: [], ...data } });
}

/** Submits once to a server that answers so, and tells also what the server received. */
export async function submitTo(
  answer: Parameters<typeof startRawServer>[0],
  changes: Partial<SubmitRequest> = {},
): Promise<{ submission: Submission; requests: RawServer["requests"] }> {
  const server = await startRawServer(answer);
  onTestFinished(() => server.close());
  const wavespeed = createWavespeed({ baseUrl: server.url, apiKey });
  const submission = await wavespeed.submit({ ...request, ...changes });
  expect(server.requests.length, "a POST is never repeated").toBeLessThanOrEqual(1);
  return { submission, requests: server.requests };
}
