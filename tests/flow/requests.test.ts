// What start-generation and cancel answer to good, repeated and bad requests. Runs against any Supabase.

import { randomUUID } from "node:crypto";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Problem } from "../../shared/contract/mod.ts";
import { type App, balance, call, openApp, request, sharedStack, tap, untilEnded } from "./app.ts";

/** Large enough for a provider that edits it. */
const picture = await sharp({ create: { width: 256, height: 256, channels: 3, background: "#c96" } }).png()
  .toBuffer();
let app: App;
beforeAll(async () => {
  app = await openApp(sharedStack());
});
afterAll(() => app?.close());

describe("start-generation", () => {
  it.for<[string, unknown, number, string, Record<string, unknown>]>([
    ["an unknown model", { ...request, modelId: "nope" }, 400, "unknown_model", {
      allowed: expect.arrayContaining(["flux-dev"]),
    }],
    ["a ratio the model lacks", { ...request, aspectRatio: "7:3" }, 400, "unsupported_aspect_ratio", {
      allowed: expect.arrayContaining(["16:9"]),
    }],
    ["an empty prompt", { ...request, prompt: "  " }, 400, "invalid_prompt", { fields: ["prompt"] }],
    ["too many pictures", { ...request, numImages: 9 }, 400, "unsupported_image_count", {
      allowed: [1, 2, 3, 4],
    }],
    [
      "no reference image where one is needed",
      { ...request, modelId: "nano-banana-edit" },
      400,
      "unsupported_input_count",
      {},
    ],
    ["a field that does not exist", { ...request, status: "completed" }, 400, "invalid_request", {
      fields: ["status"],
    }],
    ["a field of the wrong type", { ...request, seed: "7" }, 400, "invalid_request", { fields: ["seed"] }],
    ["broken JSON", "{", 400, "invalid_json", {}],
    ["a body that is no object", "[]", 400, "invalid_json", {}],
    ["a body over 64 KiB", { ...request, prompt: "x".repeat(65_537) }, 413, "payload_too_large", {}],
  ])("answers %s with a problem that says what to do", async ([, body, status, code, more]) => {
    const before = await balance(app);
    const answer = await tap(app, body);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(Problem.parse(answer.body)).toMatchObject({ status, code, ...more });
    expect(answer.status).toBe(status);
    expect(await balance(app)).toBe(before);
  });

  it("names a field that does not exist, but does not send a whole text back", async () => {
    const answer = await tap(app, { ...request, ["x".repeat(60_000)]: 1 });
    expect([answer.status, answer.body["fields"]]).toEqual([400, ["x".repeat(100)]]);
  });

  it("needs an Idempotency-Key that is a UUID", async () => {
    const answer = await call(app, "start-generation", request);
    expect([answer.status, answer.body["code"]]).toEqual([400, "idempotency_key_missing"]);
    const bad = await tap(app, request, "not-a-uuid");
    expect([bad.status, bad.body["code"]]).toEqual([400, "idempotency_key_missing"]);
  });

  it("makes one job of 20 parallel taps with one key, and charges it once", async () => {
    const before = await balance(app);
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => tap(app, request, key)));
    expect(new Set(answers.map(({ body }) => body.job?.id)).size).toBe(1);
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(19).fill(200), 202]);
    const jobId = answers[0]?.body.job?.id ?? "";
    const ended = await untilEnded(app, jobId);
    expect(ended.status).toBe("completed");
    expect(await balance(app)).toBe(before - 1);

    const late = await tap(app, request, key.toUpperCase());
    expect([late.status, late.body.job?.id, late.body.job?.status]).toEqual([200, jobId, "completed"]);
    const other = await tap(app, { ...request, prompt: "another" }, key);
    expect([other.status, other.body["code"]]).toEqual([422, "idempotency_key_reused"]);
  });

  it("answers the same job to a retry of a tap whose answer the app gave up on", async () => {
    const key = randomUUID();
    const gaveUp = new AbortController();
    const first = fetch(`${app.target.url}/functions/v1/start-generation`, {
      method: "POST",
      signal: gaveUp.signal,
      headers: {
        apikey: app.target.publishableKey,
        authorization: `Bearer ${app.token}`,
        "content-type": "application/json",
        "idempotency-key": key,
      },
      body: JSON.stringify(request),
    });
    const seen = app.changes.length;
    // A change of the account alone may still be on its way.
    const made = () => app.changes.slice(seen).flatMap(({ jobs }) => jobs);
    // The job exists as soon as its first change arrives; the app stops listening for the answer then.
    await Promise.all([
      app.pushed(() => made().length > 0, "the job was made").then(() => gaveUp.abort()),
      first.then((response) => response.body?.cancel(), () => undefined),
    ]);
    const retry = await tap(app, request, key);
    expect(retry.status).toBe(200);
    const jobId = made()[0]?.id;
    expect(retry.body.job?.id).toBe(jobId);
    expect((await untilEnded(app, jobId ?? "")).status).toBe("completed");
  });

  it("answers the browser's preflight with the headers an app sends", async () => {
    const response = await fetch(`${app.target.url}/functions/v1/start-generation`, {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "POST" },
    });
    expect(response.ok).toBe(true);
    expect(response.headers.get("access-control-allow-headers")).toMatch(/idempotency-key/i);
    await response.body?.cancel();
  });

  it("takes the trace id of the caller's traceparent", async () => {
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const answer = await call(app, "start-generation", { ...request, modelId: "nope" }, {
      "idempotency-key": randomUUID(),
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    });
    expect(answer.body["trace_id"]).toBe(traceId);
  });
});

describe("reference images", () => {
  it("reach the provider from the user's own folder", async () => {
    const path = `${app.userId}/${randomUUID()}.png`;
    const upload = await app.client.storage.from("generation-inputs").upload(path, picture, {
      contentType: "image/png",
    });
    expect(upload.error).toBeNull();
    const answer = await tap(app, { ...request, modelId: "nano-banana-edit", inputPaths: [path] });
    expect(answer.status).toBe(202);
    expect((await untilEnded(app, answer.body.job?.id ?? "")).status).toBe("completed");
  });

  it("answers foreign, missing and climbing paths alike, and refuses uploads outside the own folder", async () => {
    const stranger = randomUUID();
    for (
      const path of [`${stranger}/a.png`, `${app.userId}/missing.png`, `${app.userId}/../${stranger}/a.png`]
    ) {
      const answer = await tap(app, { ...request, modelId: "nano-banana-edit", inputPaths: [path] });
      expect([answer.status, answer.body["code"]]).toEqual([400, "input_not_found"]);
    }
    const upload = await app.client.storage.from("generation-inputs").upload(`${stranger}/a.png`, picture, {
      contentType: "image/png",
    });
    expect(upload.error?.message).toMatch(/row-level security/);
    const climbing = await fetch(
      `${app.target.url}/storage/v1/object/generation-inputs/${app.userId}%2f..%2f${stranger}%2fa.png`,
      {
        method: "POST",
        headers: {
          apikey: app.target.publishableKey,
          authorization: `Bearer ${app.token}`,
          "content-type": "image/png",
        },
        body: picture,
      },
    );
    expect(climbing.ok).toBe(false);
    await climbing.body?.cancel();
  });
});

describe("cancel", () => {
  it("answers 404 for unknown and foreign jobs alike, and 400 for no id", async () => {
    const stranger = await openApp(sharedStack());
    const foreign = (await tap(stranger)).body.job?.id;
    for (const jobId of [randomUUID(), foreign]) {
      const answer = await call(app, "cancel", { jobId });
      expect([answer.status, answer.body["code"]]).toEqual([404, "job_not_found"]);
    }
    const bad = await call(app, "cancel", { jobId: "x" });
    expect([bad.status, bad.body["code"]]).toEqual([400, "invalid_request"]);
    await untilEnded(stranger, foreign ?? "");
    await stranger.close();
  });
});
