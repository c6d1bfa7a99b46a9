// Only names, ids, numbers and flags are told. Secrets are sent through every verb, the failing ones too, and
// looked for in each line; and no verb tells anything that the allow-list would withhold.

import { expect, test } from "vitest";
import { persistDue } from "../../shared/backend/persist.ts";
import { pollDue } from "../../shared/backend/poll.ts";
import * as verbs from "../../shared/backend/mod.ts";
import { createWavespeed, signWebhook } from "../../shared/wavespeed/mod.ts";
import { jobOf } from "../contract/samples.ts";
import { claimOf, listingOf, persistOf } from "./claims.ts";
import {
  attemptId,
  type Doubles,
  fakeBackend,
  jobId,
  oneAfterAnother,
  startMs,
  traceId,
  userId,
} from "./fake-backend.ts";
import { png } from "./pictures.ts";

const prompt = "sentinel-prompt of a lighthouse";
const key = "sentinel-key";
const token = "sentinel-token";
const secret = "whsec_sentinel-webhook";
const callbackSecret = "sentinel-callback";
const path = `${userId}/sentinel-input.png`;
const signedUrl = `https://project.example.com/storage/sentinel-path?token=${token}`;
const outputUrl = `https://cdn.example.com/sentinel-output.png?signature=${token}`;
const quoting = new Error(`could not do "${prompt}" at ${signedUrl} with ${key}`);

const prediction = (more: Record<string, unknown>) => ({
  id: "task-1",
  status: "completed",
  outputs: [outputUrl],
  input: { prompt, seed: 77 },
  ...more,
});
const framed = (data: unknown, status = 200) =>
  Response.json({ code: status, message: status === 200 ? "success" : `${prompt} ${key}`, data }, { status });

/** The real client of the provider, on a network that quotes everything back. */
function providerAnswering(answer: (url: string) => Response) {
  const fetch = (input: RequestInfo | URL) =>
    new Promise<Response>((resolve) => resolve(answer(String(input))));
  return createWavespeed({ baseUrl: "https://api.wavespeed.ai", apiKey: key, fetch });
}

type Run = (backend: verbs.Backend, line: verbs.Line) => Promise<unknown>;

const claims = (claim: Record<string, unknown>) => ({
  claim_generations: oneAfterAnother({ claims: [claimOf({ prompt, ...claim })], skippedUserIds: [] }, {
    claims: [],
    skippedUserIds: [],
  }),
});
const submitting = (
  name: string,
  answer: (url: string) => Response,
  more: Doubles = {},
  claim: Record<string, unknown> = {},
): [string, Doubles, Run] => [
  name,
  {
    store: { sign: () => Promise.resolve(signedUrl) },
    ...more,
    provider: providerAnswering(answer),
    kernel: { ...claims({ inputPaths: [path], ...claim }), ...more.kernel },
  },
  verbs.dispatch,
];
const polling = (
  name: string,
  answer: (url: string) => Response,
  kernel: Doubles["kernel"] = {},
): [string, Doubles, Run] => [
  name,
  {
    provider: providerAnswering(answer),
    kernel: {
      claim_polls: () => ({
        polls: [{ attemptId, taskId: "task-1", traceId }],
        listings: [listingOf({ prompt })],
      }),
      ...kernel,
    },
  },
  (backend) => pollDue(backend, 10),
];
const persisting = (
  name: string,
  more: Doubles,
): [string, Doubles, Run] => [
  name,
  {
    fetch: () => Promise.resolve(new Response(png)),
    store: { upload: () => Promise.resolve("stored") },
    ...more,
    kernel: {
      claim_persists: () => ({
        claims: [persistOf({ images: [{ index: 0, url: outputUrl, path, flagged: false }] })],
      }),
      ...more.kernel,
    },
  },
  persistDue,
];
const starting = (answer: unknown): Doubles => ({
  kernel: {
    start_generation: () => {
      if (answer instanceof Error) throw answer;
      return answer;
    },
  },
});
const start: Run = (backend, line) =>
  verbs.start(backend, {
    userId,
    idempotencyKey: jobId,
    traceId,
    request: { modelId: "flux-schnell", prompt, aspectRatio: "1:1", inputPaths: [path] },
  }, line);

async function callBack(backend: verbs.Backend, line: verbs.Line, body: unknown, signWith: string) {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const headers = new Headers({
    ...await signWebhook({ secret: signWith, id: token, timestampSeconds: startMs / 1000, body: bytes }),
  });
  const received = await verbs.receiveCallback(backend, {
    headers,
    body: bytes,
    attemptId: `sentinel-${attemptId}`,
    token,
  }, line);
  if (received.kind === "accepted") await received.after?.();
}

const broken = () => {
  throw quoting;
};
const runs: [string, Doubles, Run][] = [
  [
    "a start",
    starting({
      ok: true,
      replay: false,
      job: jobOf(),
      account: { balance: 1, seq: 1 },
      queue: { position: 0, exact: true, etaSeconds: 1, hold: null },
    }),
    start,
  ],
  ["a refused start", starting({ ok: false, error: { code: "invalid_prompt", fields: ["prompt"] } }), start],
  ["a start that fails", starting(quoting), start],
  submitting("an accepted submit", () => framed(prediction({ status: "created", outputs: [] }))),
  submitting("a rejected submit", () => framed({ error: prompt }, 400)),
  submitting("an unknown submit", broken),
  submitting("a submit without a go", broken, {
    kernel: { mark_sending: () => ({ go: false, reason: "lease_lost" }) },
  }),
  submitting("a submit that cannot be recorded", broken, { kernel: { record_submission: broken } }),
  submitting("inputs that cannot be signed", broken, { store: { sign: () => Promise.reject(quoting) } }),
  submitting("inputs that cannot be uploaded", () => framed(null, 500), {
    config: { inputDelivery: "upload" },
    store: { download: () => Promise.resolve(new Blob([prompt])) },
  }),
  submitting("a bad catalogue row", broken, {}, { aspectRatio: prompt }),
  polling(
    "a poll and a listing",
    (url) =>
      framed(
        url.endsWith("result")
          ? prediction({})
          : { items: url.includes("page") ? [] : [prediction({ id: "task-2" })] },
      ),
  ),
  polling(
    "a poll of a failure",
    (url) =>
      framed(url.endsWith("result") ? prediction({ status: "failed", error: prompt, outputs: [] }) : null),
  ),
  polling("a poll that the provider refuses", () => framed(prompt, 403)),
  polling("a poll whose settling fails", () => framed(prediction({})), { settle_generation: broken }),
  persisting("a stored picture", {}),
  persisting("an output that is gone", {
    fetch: () => Promise.resolve(new Response(prompt, { status: 404 })),
  }),
  persisting("an output out of reach", { fetch: () => Promise.reject(quoting) }),
  persisting("a bucket that fails", { store: { upload: () => Promise.reject(quoting) } }),
  persisting("a record that fails", { kernel: { record_image: broken } }),
  ["a cancel", {
    kernel: {
      cancel_generation: () => ({
        ok: true,
        job: jobOf(),
        outcome: "canceled",
        refund: "none",
        tellTaskIds: ["task-1"],
      }),
    },
    provider: providerAnswering(broken),
  }, (backend, line) => verbs.cancel(backend, userId, jobId, line)],
  ["a signed callback", {
    kernel: { settle_generation: () => ({ next: "none", jobId, attemptId, status: "failed" }) },
  }, (backend, line) => callBack(backend, line, prediction({ status: "failed", error: prompt }), secret)],
  ["a malformed callback", {}, (backend, line) => callBack(backend, line, { prompt }, secret)],
  [
    "a callback of somebody else",
    {},
    (backend, line) => callBack(backend, line, prediction({}), "whsec_other"),
  ],
  ["a sweep where everything fails", {
    kernel: {
      claim_persists: broken,
      claim_polls: broken,
      claim_generations: broken,
      claim_purges: broken,
      http_work_due: broken,
    },
  }, verbs.sweep],
  ["a thumbnail that is refused", {
    kernel: {
      claim_thumbnails: () => ({
        thumbnails: [{
          imageId: attemptId,
          jobId,
          index: 0,
          traceId,
          path: prompt,
          thumbPath: prompt,
          maxPixels: 1,
        }],
      }),
    },
    store: { download: () => Promise.reject(new Error(prompt)) },
  }, (backend) => verbs.thumbnailDue(backend, () => broken() as never)],
];

test.each(runs)("%s tells neither prompt nor key nor token nor address", async (_, doubles, run) => {
  const { backend, line, logged, end } = fakeBackend({
    ...doubles,
    config: { webhookSecrets: [secret], callbackSecret, ...doubles.config },
  });
  // What a verb throws reaches the request's line as an endpoint puts it there.
  await run(backend, line).catch((error: unknown) => line.add(verbs.errorFields(error)));
  end();
  for (const line of logged) {
    for (const [name, value] of Object.entries(JSON.parse(line) as Record<string, unknown>)) {
      expect(["string", "number", "boolean"], name).toContain(typeof value);
      // Every value that the verbs tell has its field's form: nothing is lost by the allow-list.
      expect([name, value]).not.toContain(verbs.withheldMark);
      expect(name).not.toBe("withheld");
    }
  }
  const all = logged.join("\n");
  for (const hidden of [/sentinel/i, /https?:/, /lighthouse/, /example\.com/]) {
    expect(all).not.toMatch(hidden);
  }
});
