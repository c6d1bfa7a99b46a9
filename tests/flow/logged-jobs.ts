// Jobs that go well, fail and break, and requests and callbacks that are refused, with somebody's words and secrets in
// each place where they can stand.

import { randomUUID } from "node:crypto";
import { request as httpRequest } from "node:http";
import { expect, vi } from "vitest";
import { callbackToken } from "../../shared/backend/callback-token.ts";
import { signWebhook } from "../../shared/wavespeed/mod.ts";
import { callAs, type Logged } from "./logged-person.ts";
import { fileName, prompt, promptEnd, word } from "./logged-words.ts";

const good = { modelId: "flux-schnell", prompt, aspectRatio: "1:1" };
const start = "/functions/v1/start-generation";
const webhook = "/functions/v1/wavespeed-webhook";

const patience = { timeout: 20_000 };

async function tap(
  { stack, person, calls }: Logged,
  name: string,
  body: unknown,
  key: string = randomUUID(),
) {
  const called = await callAs(person, stack, start, { body, headers: { "idempotency-key": key } });
  calls.set(name, called);
  return called;
}

export async function startJob(
  logged: Logged,
  name: string,
  more: Record<string, unknown> = {},
): Promise<string> {
  const called = await tap(logged, name, { ...good, ...more });
  expect([name, called.status]).toEqual([name, 202]);
  const { job } = called.body as { job: { id: string } };
  logged.jobs.set(name, { id: job.id, traceId: called.traceId });
  return job.id;
}

export async function until(logged: Logged, jobId: string, status: string): Promise<void> {
  await vi.waitFor(async () => expect(await statusOf(logged, jobId)).toBe(status), {
    ...patience,
    interval: 50,
  });
}

async function sweepUntil(logged: Logged, jobId: string, status: string): Promise<void> {
  await vi.waitFor(async () => {
    await logged.stack.sweep();
    expect(await statusOf(logged, jobId)).toBe(status);
  }, { ...patience, interval: 200 });
}

async function statusOf({ stack }: Logged, jobId: string): Promise<string> {
  const [row] = await stack.sql`select status from public.generation_jobs where id = ${jobId}`;
  return row?.["status"];
}

export async function completeJobs(logged: Logged): Promise<void> {
  const key = randomUUID();
  const first = await tap(logged, "start", good, key);
  const { job } = first.body as { job: { id: string } };
  logged.jobs.set("start", { id: job.id, traceId: first.traceId });
  await tap(logged, "replay", good, key);
  await tap(logged, "reused key", { ...good, prompt: `${prompt} again` }, key);
  await until(logged, job.id, "completed");
  await logged.stack.provider({ dropCallbacks: 1 });
  await sweepUntil(logged, await startJob(logged, "swept"), "completed");
}

export async function refuseStarts(logged: Logged): Promise<void> {
  const { stack, person, calls } = logged;
  const bad: Record<string, unknown> = {
    "prompt of a wrong type": { ...good, prompt: [prompt] },
    "prompt for a number": { ...good, seed: prompt },
    "prompt too long": { ...good, prompt: prompt.repeat(400) },
    "prompt with NUL": { ...good, prompt: `${prompt}\0` },
    "half a letter": { ...good, prompt: `${prompt}\ud83e` },
    "NUL beside the prompt": { ...good, inputPaths: [`${person.userId}/\0`] },
    "prompt for a field's name": { ...good, [word]: 1 },
    "prompt for a model": { ...good, modelId: word },
    "prompt for a ratio": { ...good, aspectRatio: word },
    "prompt for a job": { ...good, retryOf: word },
    "prompt for a path": { ...good, inputPaths: [`${person.userId}/${fileName}/${word}`] },
    "broken JSON": `{"prompt": "${word} ${promptEnd}`,
    "too much": { ...good, padding: prompt.repeat(2000) },
  };
  for (const [name, body] of Object.entries(bad)) await tap(logged, name, body);
  await tap(logged, "prompt for a key", good, encodeURIComponent(prompt));
  calls.set("no token", await callAs(person, stack, start, { body: good, headers: { authorization: "" } }));
  const spoilt = { authorization: `Bearer ${person.accessToken.slice(0, -4)}AAAA` };
  calls.set("spoilt token", await callAs(person, stack, start, { body: good, headers: spoilt }));
  const query = `?prompt=${encodeURIComponent(prompt)}&token=${person.accessToken}`;
  calls.set("prompt in the query", await callAs(person, stack, start + query, { method: "GET" }));
  calls.set(
    "prompt for a cancel",
    await callAs(person, stack, "/functions/v1/cancel", { body: { jobId: prompt } }),
  );
}

/** The app dies while it sends its words: nobody is left to hear an answer. */
export async function breakOff(logged: Logged): Promise<void> {
  const { stack, person, broken } = logged;
  const sentBytes = 16 * 1024 * 1024;
  const request = httpRequest(stack.url + start, {
    method: "POST",
    headers: {
      authorization: `Bearer ${person.accessToken}`,
      "content-length": 2 * sentBytes,
      traceparent: `00-${broken.traceId}-00f067aa0ba902b7-01`,
    },
  });
  request.on("error", () => {}); // it is what is meant to happen
  request.flushHeaders();
  // More than the buffers on the way hold: once it is gone, the function has begun to read.
  await new Promise((resolve) => request.write(word.repeat(sentBytes / word.length), resolve));
  request.destroy();
  await vi.waitFor(() => expect(linesOf(logged, broken.traceId)).toHaveLength(1), patience);
}

function linesOf({ lines }: Logged, traceId: string): Record<string, unknown>[] {
  return lines().filter((line) => line["request_trace_id"] === traceId);
}

export async function failJobs(logged: Logged): Promise<void> {
  const { stack, person, calls } = logged;
  const quoting = `refused: "${prompt}" of ${person.email}`;
  await stack.provider({ failTasks: 1, failure: { code: 1405, message: quoting } });
  await until(logged, await startJob(logged, "failed"), "failed");
  await stack.provider({ failTasks: 1, failure: { code: 1200, message: quoting } });
  await until(logged, await startJob(logged, "moderated"), "failed");
  await stack.provider({
    rejectSubmits: 1,
    rejection: { httpStatus: 400, body: { code: 400, message: quoting, data: prompt }, headers: {} },
  });
  await until(logged, await startJob(logged, "rejected"), "failed");
  await stack.provider({
    breakAnswers: 1,
    breakage: { endpoint: "submit", how: "replaced", httpStatus: 502, body: quoting, headers: {} },
  });
  await until(logged, await startJob(logged, "unknown"), "unknown");

  await stack.sql`update genflow.provider set running_cap = 0 where singleton`;
  const queued = await startJob(logged, "canceled");
  const cancel = () => callAs(person, stack, "/functions/v1/cancel", { body: { jobId: queued } });
  // A database that refuses: the request ends with an error that nobody foresaw.
  await stack.sql`revoke execute on function public.cancel_generation from service_role`;
  calls.set("unforeseen", await cancel());
  await stack.sql`grant execute on function public.cancel_generation to service_role`;
  calls.set("cancel", await cancel());
  await stack.sql`update genflow.provider set running_cap = 20 where singleton`;
}

export async function callBack(logged: Logged): Promise<void> {
  const { stack, person, keys, calls, secrets } = logged;
  await stack.provider({ badSignatures: true });
  await until(logged, await startJob(logged, "badly signed"), "completed");
  await stack.provider({ badSignatures: false });
  const [attempt] = await stack.sql<
    { id: string }[]
  >`select id from genflow.attempts order by claimed_at limit 1`;
  const token = await callbackToken(keys.callbackSecret, attempt?.id ?? "");
  secrets.push({ name: "callback token", text: token });
  const body = JSON.stringify({ id: "t".repeat(32), status: "completed", outputs: [], input: { prompt } });
  const signed = async (text: string) => ({
    ...await signWebhook({
      secret: keys.providerWebhookSecret,
      id: "delivery",
      body: new TextEncoder().encode(text),
      timestampSeconds: Math.floor(Date.now() / 1000),
    }),
  });
  const query = `?attempt=${attempt?.id}&token=${token}`;
  const bad = { ...await signed(body), "webhook-signature": `v3,${"0".repeat(64)}` };
  const deliveries: [name: string, query: string, body: string, headers: Record<string, string>][] = [
    ["callback without anything", "", body, {}],
    ["callback of a forger", `?attempt=${attempt?.id}&token=${"f".repeat(64)}`, body, bad],
    ["callback with words for a token", `?attempt=${word}&token=${encodeURIComponent(prompt)}`, body, bad],
    ["callback with a token and no signature", query, body, {}],
    ["callback with words for a signature", query, body, {
      ...bad,
      "webhook-id": encodeURIComponent(prompt),
    }],
    ["callback of an unknown task", query, body, await signed(body)],
    ["callback that cannot be read", query, `{"${prompt}`, await signed(`{"${prompt}`)],
  ];
  for (const [name, search, text, headers] of deliveries) {
    calls.set(name, await callAs(person, stack, webhook + search, { body: text, headers }));
  }
  calls.set("sweep of a forger", await callAs(person, stack, "/functions/v1/sweep", { body: prompt }));
}

/** The bucket refuses what is to be stored; once it does not, the sweep stores it. */
export async function breakStorage(logged: Logged): Promise<void> {
  const { stack } = logged;
  const accept = (types: string[] | null) =>
    stack.sql`update storage.buckets set allowed_mime_types = ${types} where id = 'generations'`;
  const [bucket] = await stack.sql`select allowed_mime_types from storage.buckets where id = 'generations'`;
  await accept(["text/plain"]);
  const jobId = await startJob(logged, "stored late");
  // Begun by the callback; its step is over when it has told so, and the lease is free again.
  await vi.waitFor(() => {
    const persists = logged.lines().filter(({ step, job_id }) => step === "persist" && job_id === jobId);
    expect(persists).toMatchObject([{ failures: 1 }]);
  }, patience);
  await accept(bucket?.["allowed_mime_types"] ?? null);
  await stack.sql`update genflow.attempts set next_persist_at = genflow.clock() where job_id = ${jobId}`;
  await sweepUntil(logged, jobId, "completed");
}
