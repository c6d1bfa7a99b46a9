// The HTTP client. Each method sends one request, once, and answers with a value; nothing here throws for what the
// network or the provider does, and no text that it returns holds the key, a prompt or a URL's query.

import { type Answer, type NoAnswer, readAnswer, unavailable } from "./answer.ts";
import {
  type Page,
  type ProviderCatalogueEntry,
  readBalance,
  readDeletion,
  readModels,
  readPage,
  readSecret,
  readUpload,
} from "./endpoint-data.ts";
import { isRecord } from "./envelope.ts";
import { exchange, type ExchangeRequest, sentOnce } from "./exchange.ts";
import { maxAnswerBytes, type Prediction, readPrediction, taskIdForm } from "./prediction.ts";
import { readSubmission, rejectedAsMalformed, type Submission } from "./submission.ts";

export interface WavespeedOptions {
  /** The provider's origin, or that of its stand-in. The key goes there and nowhere else. */
  baseUrl: string;
  apiKey: string;
  fetch?: typeof fetch;
  /** Milliseconds since the epoch; reads Retry-After dates. */
  now?: () => number;
}

export interface CallOptions {
  deadlineMs?: number;
  signal?: AbortSignal;
}

export interface SubmitRequest {
  /** The provider's model id with its slashes: `wavespeed-ai/flux-dev`. */
  modelId: string;
  input: Record<string, unknown>;
  webhookUrl?: string;
  /** From now until the last byte of the answer; after it the submission is unknown. */
  deadlineMs: number;
  signal?: AbortSignal;
}

export interface Wavespeed {
  submit(request: SubmitRequest): Promise<Submission>;
  result(
    taskId: string,
    options?: CallOptions,
  ): Promise<{ kind: "prediction"; prediction: Prediction } | NoAnswer>;
  /** Newest first, at most 7 days back. Read until a page with no entry at all: it may be cut shorter than asked. */
  list(
    query: {
      modelId?: string;
      createdAfter: Date | string;
      createdBefore: Date | string;
      page: number;
      pageSize: number;
    },
    options?: CallOptions,
  ): Promise<Answer<Page>>;
  delete(taskId: string, options?: CallOptions): Promise<Answer<{ status: string }>>;
  models(options?: CallOptions): Promise<Answer<ProviderCatalogueEntry[]>>;
  balance(options?: CallOptions): Promise<Answer<{ balanceUsd: number }>>;
  /** The URL is public and lives 7 days. */
  upload(file: Blob, filename: string, options?: CallOptions): Promise<Answer<{ url: string }>>;
  webhookSecret(options?: CallOptions): Promise<Answer<{ secret: string }>>;
}

const defaultDeadlineMs = 10_000;
const uploadDeadlineMs = 60_000;
/** About 950 models with their schemas; a few KiB each. */
const maxCatalogueBytes = 32 * 1024 * 1024;
/** A slash at least: one word alone would be another endpoint of the API. */
const modelIdForm = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/;
/** Inputs that come from our catalogue, not from a user: an operator may read them in an error text. */
const catalogueInputs: ReadonlySet<string> = new Set(["size", "aspect_ratio", "resolution", "output_format"]);

export function createWavespeed(options: WavespeedOptions): Wavespeed {
  const apiUrl = readBaseUrl(options.baseUrl);
  const apiKey = options.apiKey.trim();
  if (apiKey === "") throw new RangeError("the provider's API key is empty");
  const fetchPort: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const now = options.now ?? Date.now;
  const authorization = { Authorization: `Bearer ${apiKey}` };

  async function call<Value>(
    request: Pick<ExchangeRequest, "method" | "body"> & { path: string; json?: unknown; maxBytes?: number },
    read: (data: unknown) => Value | null,
    callOptions: CallOptions = {},
  ): Promise<Answer<Value>> {
    const outcome = await exchange(fetchPort, {
      url: `${apiUrl}/${request.path}`,
      method: request.method,
      headers: request.json === undefined
        ? authorization
        : { ...authorization, "Content-Type": "application/json" },
      body: request.json === undefined ? request.body : JSON.stringify(request.json),
      deadlineMs: callOptions.deadlineMs ?? defaultDeadlineMs,
      maxBytes: request.maxBytes ?? maxAnswerBytes,
      signal: callOptions.signal,
    });
    return readAnswer(outcome, now(), read);
  }

  return {
    async submit(request) {
      if (!modelIdForm.test(request.modelId)) return rejectedAsMalformed("model id");
      const body = toJson(request.input);
      if (body === null) return rejectedAsMalformed("input");
      const query = request.webhookUrl === undefined
        ? ""
        : `?webhook=${encodeURIComponent(request.webhookUrl)}`;
      const outcome = await exchange(fetchPort, {
        url: `${apiUrl}/${request.modelId}${query}`,
        method: "POST",
        headers: { ...authorization, "Content-Type": "application/json" },
        body: sentOnce(body),
        deadlineMs: request.deadlineMs,
        maxBytes: maxAnswerBytes,
        signal: request.signal,
      });
      return readSubmission(outcome, [apiKey, ...writtenByUser(request.input)], now());
    },

    async result(taskId, callOptions) {
      if (!taskIdForm.test(taskId)) return unavailable("refused", null);
      const answer = await call(
        { method: "GET", path: `predictions/${taskId}/result` },
        readPrediction,
        callOptions,
      );
      if (answer.kind !== "ok") return answer;
      // Another task's result under our id would be stored as this user's picture.
      if (answer.value.id !== taskId) return unavailable("unreadable", 200);
      return { kind: "prediction", prediction: answer.value };
    },

    list(query, callOptions) {
      const json = {
        page: query.page,
        page_size: query.pageSize,
        ...(query.modelId === undefined ? {} : { model: query.modelId }),
        created_after: new Date(query.createdAfter).toISOString(),
        created_before: new Date(query.createdBefore).toISOString(),
      };
      return call({ method: "POST", path: "predictions", json }, readPage, callOptions);
    },

    async delete(taskId, callOptions) {
      if (!taskIdForm.test(taskId)) return unavailable("refused", null);
      return await call({ method: "DELETE", path: `predictions/${taskId}` }, readDeletion, callOptions);
    },

    models: (callOptions) =>
      call({ method: "GET", path: "models", maxBytes: maxCatalogueBytes }, readModels, callOptions),

    balance: (callOptions) => call({ method: "GET", path: "balance" }, readBalance, callOptions),

    upload(file, filename, callOptions) {
      const body = new FormData();
      body.set("file", file, filename);
      return call({ method: "POST", path: "media/upload/binary", body }, readUpload, {
        deadlineMs: uploadDeadlineMs,
        ...callOptions,
      });
    },

    webhookSecret: (callOptions) => call({ method: "GET", path: "webhook/secret" }, readSecret, callOptions),
  };
}

function readBaseUrl(baseUrl: string): string {
  if (!URL.canParse(baseUrl)) throw new RangeError("the provider's base URL is no URL");
  const url = new URL(baseUrl);
  // Plain http is for a stand-in on this machine or its network; the real key must not travel in the clear.
  const isProvider = url.hostname === "wavespeed.ai" || url.hostname.endsWith(".wavespeed.ai");
  if (url.protocol !== "https:" && (url.protocol !== "http:" || isProvider)) {
    throw new RangeError("the provider's base URL must be https");
  }
  return `${url.origin}/api/v3`;
}

function toJson(input: Record<string, unknown>): string | null {
  try {
    return JSON.stringify(input);
  } catch {
    // A cycle or a bigint; the error's text may quote a value.
    return null;
  }
}

/** The texts of an input that nobody but the user may read: the prompt, and links with tokens in them. */
function writtenByUser(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(writtenByUser);
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    catalogueInputs.has(name) ? [] : writtenByUser(inner)
  );
}
