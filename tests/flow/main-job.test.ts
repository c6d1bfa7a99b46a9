// The main job, as an app sees it: tap, generate, persist, see it arrive. Runs against any Supabase.

import { createHash } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  changeTopic,
  type GenerationImage,
  type GenerationJob,
  imageFromRow,
  StartAnswer,
} from "../../shared/contract/mod.ts";
import {
  type App,
  ledger,
  openApp,
  pushedJob,
  readJob,
  request,
  sharedStack,
  tap,
  untilEnded,
} from "./app.ts";

let app: App;
let stranger: App;
let started: StartAnswer;
let ended: GenerationJob;
let image: GenerationImage;

beforeAll(async () => {
  [app, stranger] = await Promise.all([openApp(sharedStack()), openApp(sharedStack())]);
  const answer = await tap(app, { ...request, aspectRatio: "16:9" });
  expect(answer.status).toBe(202);
  started = StartAnswer.parse(answer.body);
  ended = await untilEnded(app, started.job.id);
  const { data } = await app.client.from("generation_images").select().eq("job_id", ended.id);
  image = imageFromRow(data?.[0]);
});

afterAll(() => Promise.all([app?.close(), stranger?.close()]));

describe("the main job", () => {
  it("answers before the provider is asked, with balance, position and trace id", () => {
    expect(started.job.status).toBe("queued");
    expect(started.job.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(started.queue.position).toBeGreaterThanOrEqual(0);
    expect(started.account.balance).toBeGreaterThan(0);
  });

  it("ends completed, with the picture that was asked for", () => {
    expect(ended).toMatchObject({ status: "completed", errorCode: null, attempts: 0, creditsCaptured: 1 });
    expect(image).toMatchObject({
      index: 0,
      width: 1344,
      height: 768,
      contentType: expect.stringMatching(/^image\/(jpeg|png|webp)$/),
      flagged: false,
    });
    expect(image.path.startsWith(`${app.userId}/${ended.id}/0-`)).toBe(true);
  });

  it("stores the bytes that the row describes, opened by a signed URL of the owner", async () => {
    const { data, error } = await app.client.storage.from("generations").createSignedUrl(image.path, 60);
    expect(error).toBeNull();
    const response = await fetch(data?.signedUrl ?? "");
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(response.headers.get("content-type")).toBe(image.contentType);
    expect(bytes.byteLength).toBe(image.bytes);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(image.sha256);
  });

  it("pushes each change once, numbered without gaps, and the last push is the row", async () => {
    const seqs = app.changes.map(({ seq }) => seq);
    const first = seqs[0] ?? 0;
    expect(seqs).toEqual(seqs.map((_, i) => first + i));
    expect(app.changes.flatMap(({ jobs }) => jobs).map(({ status }) => status)).toEqual(
      ["queued", "submitting", "processing", "persisting", "completed"],
    );
    expect(app.changes.flatMap(({ images }) => images)).toEqual([image]);
    expect(pushedJob(app, ended.id)).toEqual(await readJob(app, ended.id));
    expect(JSON.stringify(app.changes)).not.toContain(request.prompt);
  });

  it("writes the events in order, without the prompt", async () => {
    const { data } = await app.client.from("generation_events").select("event, detail").eq("job_id", ended.id)
      .order("id");
    expect(data?.map(({ event }) => event)).toEqual([
      "queued",
      "submitting",
      "sending",
      "submitted",
      "persisting",
      "attempt_closed",
      "image_stored",
      "completed",
      "hold_closed",
    ]);
    expect(JSON.stringify(data)).not.toContain(request.prompt);
  });

  it("holds and captures the price once, and the balance is the sum of the ledger", async () => {
    expect(await ledger(app, ended.id)).toEqual([
      { kind: "reserve", amount: -1, captured: null },
      { kind: "close", amount: 0, captured: 1 },
    ]);
    const { data } = await app.client.from("credit_entries").select("amount");
    const sum = data?.reduce((total, { amount }) => total + amount, 0);
    expect(app.changes.at(-1)?.account.balance).toBe(sum);
  });

  it("shows another user neither row nor file", async () => {
    for (
      const table of [
        "generation_jobs",
        "generation_images",
        "generation_events",
        "generation_prompts",
        "credit_entries",
      ]
    ) {
      const { data, error } = await stranger.client.from(table).select().eq("user_id", app.userId);
      expect([table, error, data]).toEqual([table, null, []]);
    }
    const signed = await stranger.client.storage.from("generations").createSignedUrl(image.path, 60);
    expect(signed.data).toBeNull();
    const file = await stranger.client.storage.from("generations").download(image.path);
    expect(file.data).toBeNull();
  });

  it("lets nobody else join the owner's channel", async () => {
    const channel = stranger.client.channel(changeTopic(app.userId), { config: { private: true } });
    const answer = await new Promise<string>((resolve) => channel.subscribe(resolve));
    await stranger.client.removeChannel(channel);
    expect(answer).toBe("CHANNEL_ERROR");
  });

  it("lets nobody start or cancel without a valid user token", async () => {
    const { url, publishableKey } = sharedStack();
    const anonymous = createClient(url, publishableKey, { auth: { persistSession: false } });
    const { error } = await anonymous.functions.invoke("start-generation", { body: request });
    expect(error?.context.status).toBe(401);
    expect(await error?.context.json()).toMatchObject({ code: "unauthorized", status: 401 });
    const forged = await fetch(`${url}/functions/v1/cancel`, {
      method: "POST",
      headers: { apikey: publishableKey, authorization: `Bearer ${app.token.slice(0, -8)}AAAAAAAA` },
      body: JSON.stringify({ jobId: ended.id }),
    });
    expect(forged.status).toBe(401);
    await forged.body?.cancel();
  });
});
