// Files, the Data API, sign-in and Realtime in use and in misuse, and the tables' own constraints, with somebody's words
// and secrets in each place where they can stand.

import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";
import { startJob, until } from "./logged-jobs.ts";
import { callAs, type Logged, type Person } from "./logged-person.ts";
import { fileName, prompt, promptEnd, typed, word } from "./logged-words.ts";

export async function useFiles(logged: Logged): Promise<void> {
  const { stack, person, keys, calls, secrets, jobs } = logged;
  const inputs = person.client.storage.from("generation-inputs");
  const path = `${person.userId}/${fileName}`;
  const asPng = { contentType: "image/png" };
  expect((await inputs.upload(path, pixel, asPng)).error).toBeNull();
  await until(
    logged,
    await startJob(logged, "edited", { modelId: "nano-banana-edit", inputPaths: [path] }),
    "completed",
  );
  const provider = createWavespeed({ baseUrl: stack.wavespeedUrl ?? "", apiKey: keys.providerApiKey });
  const [edit] = await stack.sql<{ path: string }[]>`
    select provider ->> 'path' as path from public.generation_models where id = 'nano-banana-edit'`;
  const listed = await provider.list({
    modelId: edit?.path ?? "",
    createdAfter: new Date(0).toISOString(),
    createdBefore: new Date(Date.now() + 60_000).toISOString(),
    page: 1,
    pageSize: 10,
  });
  if (listed.kind !== "ok") throw new Error(`the list answered ${listed.kind}`);
  const shown = JSON.stringify(listed.value.items);
  secrets.push({ name: "signed URL of an input", text: tokenOf(/[?&]token=([^"&\\]+)/.exec(shown)?.[1]) });

  const [image] = await stack.sql<{ path: string }[]>`
    select path from public.generation_images where job_id = ${jobs.get("edited")?.id ?? ""}`;
  const pictures = person.client.storage.from("generations");
  const signed = await pictures.createSignedUrl(image?.path ?? "", 60);
  const url = signed.data?.signedUrl ?? "";
  secrets.push({ name: "signed URL of a picture", text: tokenOf(new URL(url).searchParams.get("token")) });
  expect((await fetch(url)).status).toBe(200);
  await fetch(url.slice(0, -4) + "AAAA");
  const upload = await inputs.createSignedUploadUrl(`${person.userId}/${word}.png`);
  secrets.push({ name: "signed URL of an upload", text: tokenOf(upload.data?.token) });
  await inputs.uploadToSignedUrl(upload.data?.path ?? "", upload.data?.token ?? "", pixel, asPng);
  await inputs.uploadToSignedUrl(upload.data?.path ?? "", `${upload.data?.token}x`, pixel, asPng);
  for (
    const name of [
      `${randomUUID()}/${fileName}`,
      `${person.userId}/../${word}.png`,
      `${person.userId}/${prompt}`,
    ]
  ) {
    await inputs.upload(name, pixel, asPng);
  }
  await inputs.upload(`${person.userId}/${word}.txt`, prompt, { contentType: "text/plain" });
  await inputs.download(`${person.userId}/${word}-missing.png`);
  await inputs.list(`${person.userId}/${word}`, { search: word });
  calls.set(
    "words for a bucket",
    await callAs(person, stack, `/storage/v1/object/sign/${encodeURIComponent(prompt)}/${word}`, {
      body: { expiresIn: prompt },
    }),
  );
}

/** The part of a token that nobody else has. */
function tokenOf(token: string | null | undefined): string {
  const signature = token?.split(".").at(-1) ?? "";
  expect(signature.length).toBeGreaterThan(20);
  return signature;
}

export async function misuseApi(logged: Logged): Promise<void> {
  const { stack, person, calls } = logged;
  const service: Person = { ...person, accessToken: stack.secretKey };
  const asService = { apikey: stack.secretKey };
  const words = encodeURIComponent(prompt);
  const requests: [who: Person, method: string, path: string, body?: unknown][] = [
    [person, "POST", "/rest/v1/generation_prompts", { job_id: randomUUID(), user_id: person.userId, prompt }],
    [person, "PATCH", `/rest/v1/generation_prompts?user_id=eq.${person.userId}`, { prompt: `${prompt}!` }],
    [person, "POST", "/rest/v1/generation_jobs", {
      model_id: prompt,
      aspect_ratio: prompt,
      status: "queued",
    }],
    [person, "PATCH", "/rest/v1/generation_jobs?seq=gt.0", { aspect_ratio: prompt }],
    [person, "DELETE", `/rest/v1/generation_prompts?prompt=eq.${words}`],
    [person, "GET", `/rest/v1/generation_prompts?prompt=eq.${words}&select=prompt`],
    [person, "GET", `/rest/v1/generation_prompts?prompt=ilike.*${words}*&select=prompt`],
    [person, "POST", "/rest/v1/rpc/my_account", { prompt }],
    [person, "POST", `/rest/v1/rpc/${word}`, { prompt }],
    [person, "POST", "/rest/v1/rpc/start_generation", { p_request: { prompt } }],
    [person, "POST", "/rest/v1/generation_prompts", `{"prompt": "${prompt}`],
    [service, "POST", "/rest/v1/generation_prompts", { job_id: randomUUID(), prompt }],
    [service, "PATCH", "/rest/v1/generation_prompts?job_id=not.is.null", { prompt }],
    [service, "POST", "/rest/v1/rpc/record_submission", {
      p_attempt_id: randomUUID(),
      p_send_id: randomUUID(),
      p_outcome: { kind: prompt },
    }],
    [person, "POST", "/auth/v1/token?grant_type=password", {
      email: person.email,
      password: `${person.password}x`,
    }],
    [person, "POST", "/auth/v1/token?grant_type=password", {
      email: person.email,
      password: person.password,
    }],
    [person, "POST", "/auth/v1/signup", { email: person.email, password: person.password }],
    [person, "POST", "/auth/v1/signup", { email: `${prompt}@`, password: "x" }],
    [person, "POST", "/auth/v1/token?grant_type=refresh_token", { refresh_token: `${person.refreshToken}x` }],
    [person, "GET", `/auth/v1/user?access_token=${person.accessToken}`],
  ];
  for (const [who, method, path, body] of requests) {
    const headers = who === service ? asService : {};
    const called = await callAs(who, stack, path, { method, body, headers });
    calls.set(`${method} ${path.split("?", 1)[0]}`, called);
  }
  const misplaced: [method: string, path: string, body?: unknown][] = [
    ["POST", "/rest/v1/rpc/set_favorite", { p_image_id: typed, p_favorite: true }],
    ["POST", "/rest/v1/rpc/delete_images", { p_image_ids: [typed] }],
    ["GET", `/rest/v1/generation_jobs?id=eq.${typed}`],
    ["GET", `/rest/v1/generation_prompts?select=${typed}`],
  ];
  for (const [method, path, body] of misplaced) await callAs(person, stack, path, { method, body });
  await searchWords(logged);
}

/** Well-formed and not: what the Data API takes apart itself, the database would print. */
async function searchWords({ stack, person }: Logged): Promise<void> {
  const searches: [body: unknown, status: number][] = [
    [{ words: prompt }, 200],
    [{ words: prompt.repeat(10) }, 400],
    [{ words: [prompt] }, 400],
    [{ [prompt]: true }, 400],
    [{ after: { createdAt: prompt, id: prompt } }, 400],
    [`{"words": "${word} \\u0000 ${promptEnd}"}`, 400],
    [`{"words": "${promptEnd} ${word} \\ud83d"}`, 400],
    [`{"words": "${word}`, 400],
  ];
  for (const [body, status] of searches) {
    const called = await callAs(person, stack, "/rest/v1/rpc/search_generations", { body });
    expect([body, called.status]).toEqual([body, status]);
  }
}

export async function misuseRealtime({ person }: Logged): Promise<void> {
  await person.client.realtime.setAuth(person.accessToken);
  const topics = [`generations:${person.userId}`, `generations:${word}`];
  const outcomes = await Promise.all(topics.map(async (topic) => {
    const channel = person.client.channel(topic, { config: { private: true } });
    const outcome = await new Promise<string>((resolve) =>
      channel.subscribe((status) => {
        if (status !== "CLOSED") resolve(status);
      })
    );
    await channel.send({ type: "broadcast", event: "note", payload: { prompt } });
    return outcome;
  }));
  expect(outcomes).toEqual(["SUBSCRIBED", "CHANNEL_ERROR"]);
  await person.client.removeAllChannels();
}

/** By the owner, past every guard of the API: what the tables themselves let the database print. */
export async function violateConstraints({ stack, person, jobs }: Logged): Promise<void> {
  const { sql } = stack;
  const jobId = jobs.get("start")?.id ?? "";
  const violations = [
    sql`insert into public.generation_prompts (job_id, user_id, prompt) values (null, ${person.userId}, ${prompt})`,
    sql`insert into public.generation_prompts (job_id, user_id, prompt) values (${jobId}, ${person.userId}, ${prompt})`,
    sql`insert into public.generation_prompts (job_id, user_id, prompt) values (${randomUUID()}, null, ${prompt})`,
    sql`update public.generation_prompts set job_id = null where job_id = ${jobId}`,
    sql`update public.generation_jobs set status = 'queued' where id = ${jobId}`,
    sql`update public.generation_jobs set ended_at = null where id = ${jobId}`,
    sql`update public.generation_jobs set credits_held = 0 where id = ${jobId}`,
    sql`update public.generation_images set width = 0 where job_id = ${jobId}`,
    sql`update genflow.attempts set closed_how = null where job_id = ${jobId}`,
    sql`update genflow.accounts set balance = -1 where user_id = ${person.userId}`,
    sql`update public.credit_entries set amount = 0 where job_id = ${jobId}`,
  ];
  for (const violation of violations) await expect(violation).rejects.toThrow();
}

const pixel = Uint8Array.from(
  atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="),
  (letter) => letter.charCodeAt(0),
);
