// The backend's ports, doubled: a kernel that records what it is asked, a provider and a store that answer what the
// test says, and a clock that only moves when told. Nothing here waits.

import {
  type Backend,
  type BackendConfig,
  createKernel,
  createLog,
  type Line,
  type Store,
} from "../../shared/backend/mod.ts";
import type { Wavespeed } from "../../shared/wavespeed/mod.ts";

export type Arguments = Record<string, unknown>;
/** What a database function answers: a value, or one made from its arguments. It may throw. */
export type Script = Record<string, (args: Arguments) => unknown>;

export const attemptId = "0b7d1c7e-3f43-4f0e-9f5b-2f6f0a4b9d01";
export const otherAttemptId = "0b7d1c7e-3f43-4f0e-9f5b-2f6f0a4b9d02";
export const jobId = "51a7c0de-0d6b-4b4e-8a3c-6d1f6a2b7c01";
export const leaseToken = "9c3e5a70-1b2d-4c6f-8e9a-0f1d2c3b4a01";
export const userId = "7e57ab1e-2c4d-4e6f-8a0b-1c2d3e4f5a01";
export const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
/** Of a request that is not the one which started the job. */
export const requestTraceId = "0af7651916cd43dd8448eb211c80319c";
export const startMs = Date.UTC(2026, 10, 22, 12);

export const config: BackendConfig = {
  wavespeedBaseUrl: "https://api.wavespeed.ai",
  webhookUrl: "https://project.example.com/functions/v1/wavespeed-webhook",
  webhookSecrets: ["whsec_for-tests"],
  callbackSecret: "callback secret",
  inputDelivery: "signed_url",
};

/** The kernel's answers where nothing is due and everything is taken note of. */
const quiet: Script = {
  claim_generations: () => ({ claims: [], skippedUserIds: [] }),
  await_accounts: () => null,
  mark_sending: () => ({ go: true, leaseSeconds: 60 }),
  record_submission: () => ({ recorded: true, tellTaskIds: [] }),
  record_listing: () => ({ decision: "undecided" }),
  settle_generation: () => ({ next: "wait" }),
  note_callback: () => ({ known: true, pollDue: false }),
  claim_persists: () => ({ claims: [] }),
  record_image: () => ({ recorded: true }),
  complete_generation: () => ({ status: "completed" }),
  claim_polls: () => ({ polls: [], listings: [] }),
  claim_thumbnails: () => ({ thumbnails: [] }),
  record_thumbnail: () => ({ recorded: true }),
  claim_purges: () => ({ purges: [] }),
  record_purge: () => null,
  record_provider_balance: () => null,
  record_sweep: () => null,
  http_work_due: () => ({
    ready: 0,
    polls: 0,
    listings: 0,
    persists: 0,
    thumbnails: 0,
    purges: 0,
    balance: 0,
  }),
};

function refuse(what: string): () => never {
  return () => {
    throw new Error(`${what} was not expected`);
  };
}

export interface Doubles {
  kernel?: Script;
  provider?: Partial<Wavespeed>;
  store?: Partial<Store>;
  fetch?: typeof fetch;
  config?: Partial<BackendConfig>;
  wakeThumbnails?: Backend["wakeThumbnails"];
}

export interface FakeBackend {
  backend: Backend;
  /** Every question to the kernel, in order. */
  calls: { name: string; args: Arguments }[];
  /** The arguments of each call of one database function. */
  asked(name: string): Arguments[];
  /** Of the request that the verbs are called in. */
  line: Line;
  /** Every line written, request and steps. */
  logged: string[];
  /** Ends the request: writes its line. */
  end(): void;
  advance(ms: number): void;
}

export function fakeBackend(doubles: Doubles = {}): FakeBackend {
  const calls: FakeBackend["calls"] = [];
  const logged: string[] = [];
  let nowMs = startMs;
  const log = createLog({
    write: (line) => logged.push(line),
    now: () => nowMs,
    function: "start-generation",
    traceId: requestTraceId,
  });
  const script: Script = { ...quiet, ...doubles.kernel };
  let ids = 0;
  const backend: Backend = {
    kernel: createKernel((name, args) => {
      calls.push({ name, args });
      const answer = script[name] ?? refuse(name);
      return new Promise((resolve) => resolve(answer(args)));
    }),
    provider: {
      submit: refuse("submit"),
      result: refuse("result"),
      list: refuse("list"),
      delete: refuse("delete"),
      models: refuse("models"),
      balance: refuse("balance"),
      upload: refuse("upload"),
      webhookSecret: refuse("webhookSecret"),
      ...doubles.provider,
    },
    store: {
      upload: refuse("store.upload"),
      download: refuse("store.download"),
      sign: refuse("store.sign"),
      remove: refuse("store.remove"),
      ...doubles.store,
    },
    fetch: doubles.fetch ?? refuse("fetch"),
    now: () => nowMs,
    wakeThumbnails: doubles.wakeThumbnails ?? (() => {}),
    newId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
    log,
    config: { ...config, ...doubles.config },
  };
  return {
    backend,
    calls,
    asked: (name) => calls.filter((call) => call.name === name).map(({ args }) => args),
    line: log.line,
    logged,
    end: () => log.end({ status: 200 }),
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

/** Answers these, one a call, then the last one for good. */
export function oneAfterAnother<Answer>(...answers: [Answer, ...Answer[]]): () => Answer {
  let last = answers[0];
  return () => last = answers.shift() ?? last;
}
