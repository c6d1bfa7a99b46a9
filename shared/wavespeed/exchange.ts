// One HTTP exchange with the provider, told as a value: an answer, or why there is none.
// Sends once, follows no redirect (the key must not travel), stops at a deadline that also covers the body,
// and reads no more of the body than it was asked to.

import { notSent } from "./not-sent.ts";

export interface ExchangeRequest {
  url: string;
  method: "GET" | "POST" | "DELETE";
  headers: Record<string, string>;
  body?: BodyInit;
  /** From now until the last byte of the answer. */
  deadlineMs: number;
  maxBytes: number;
  signal?: AbortSignal;
}

export type SilenceCause = "not_sent" | "timeout" | "aborted" | "network";

export type Exchange =
  /** `body` is null when it did not arrive whole; the status still holds. */
  | {
    kind: "answer";
    httpStatus: number;
    headers: Headers;
    body: string | null;
    bodyProblem: BodyProblem | null;
  }
  | { kind: "silence"; cause: SilenceCause };

export type BodyProblem = "timeout" | "aborted" | "truncated" | "too_large" | "not_utf8";

/**
 * A body that no runtime can send twice. Deno's fetch repeats a request, POST included, whose kept connection is cut
 * before the answer, although the server may have read all of it (denoland/deno#32566). The Fetch standard gives a
 * stream no source to send again from, so such a request fails and the caller learns of it.
 */
export function sentOnce(text: string): ReadableStream<Uint8Array> {
  return new Blob([text]).stream();
}

export async function exchange(fetchPort: typeof fetch, request: ExchangeRequest): Promise<Exchange> {
  if (request.signal?.aborted) return { kind: "silence", cause: "not_sent" };
  const stop = new AbortController();
  let stopped: "timeout" | "aborted" | null = null;
  const end = (cause: "timeout" | "aborted") => {
    stopped ??= cause;
    stop.abort();
  };
  const timer = setTimeout(() => end("timeout"), request.deadlineMs);
  const onAbort = () => end("aborted");
  request.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const init: RequestInit & { duplex: "half" } = {
      method: request.method,
      headers: request.headers,
      body: request.body,
      // Required with a stream, without effect on any other body.
      duplex: "half",
      redirect: "manual",
      signal: stop.signal,
    };
    const response = await fetchPort(request.url, init);
    const read = await readBody(response, request.maxBytes);
    // Nothing more is wanted from this connection if the body was given up half-way.
    if (read.body === null) stop.abort();
    const bodyProblem = read.problem === "truncated" && stopped !== null ? stopped : read.problem;
    return {
      kind: "answer",
      httpStatus: response.status,
      headers: response.headers,
      body: read.body,
      bodyProblem,
    };
  } catch (error) {
    // The error's own text is dropped: it may quote the URL, and a malformed key header is quoted whole.
    if (stopped !== null) return { kind: "silence", cause: stopped };
    return { kind: "silence", cause: notSent(error) ? "not_sent" : "network" };
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", onAbort);
  }
}

async function readBody(
  response: Response,
  maxBytes: number,
): Promise<{ body: string; problem: null } | { body: null; problem: BodyProblem }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  try {
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.byteLength;
      if (size > maxBytes) return { body: null, problem: "too_large" };
      chunks.push(value);
    }
  } catch {
    // A reset, a length that was not kept, or our own deadline: the caller knows which.
    return { body: null, problem: "truncated" };
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  try {
    return { body: new TextDecoder("utf-8", { fatal: true }).decode(bytes), problem: null };
  } catch {
    return { body: null, problem: "not_utf8" };
  }
}
