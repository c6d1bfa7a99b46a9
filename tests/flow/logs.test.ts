// Nothing secret and nobody's words in any log: a whole run on a stack of its own, good and bad, and then every log
// that was written is searched. And what should be told is told: one line a request, under the job's trace.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { captureLogs } from "./captured-logs.ts"; // first: see there
import { withheldMark } from "../../shared/backend/mod.ts";
import { formsOf, type LogFile, search } from "./canaries.ts";
import { startControlledStack } from "./controlled-stack.ts";
import { type Logged, newTrace, signUp } from "./logged-person.ts";
import { goThrough } from "./logged-run.ts";
import { fileName, prompt, promptEnd, typed, word } from "./logged-words.ts";

const captured = captureLogs();
let run: Logged;
let files: LogFile[];
let told: Record<string, unknown>[];

beforeAll(async () => {
  const stack = await startControlledStack({ log: captured.log });
  const keys = JSON.parse(await readFile(join(stack.dataDirectory, "keys.json"), "utf8"));
  await stack.sql.unsafe("alter system set log_statement = 'ddl'"); // as on a hosted project
  await stack.sql`select pg_reload_conf()`;
  run = {
    stack,
    keys,
    person: await signUp(stack),
    calls: new Map(),
    jobs: new Map(),
    secrets: [],
    lines: captured.lines,
    broken: newTrace(),
  };
  await goThrough(run);
  await stack.functions.stopAll(); // whatever still goes on ends, and its lines are here
  await plant();
  files = await captured.files(stack.dataDirectory);
  told = captured.lines();
}, 120_000);
afterAll(async () => {
  await run?.stack.stop();
  captured.release();
});

const planted = "planted-here-and-there";

/** Puts a text into each log on the way by which a real one would get there. */
async function plant(): Promise<void> {
  const { stack } = run;
  captured.log(planted);
  console.error(new Error(planted));
  await stack.sql`create temp table careless (words text, number integer check (number > 0))`;
  await expect(stack.sql`insert into careless (words, number) values (${planted}, 0)`).rejects.toThrow();
  await fetch(`${stack.url}/rest/v1/${planted}`, { method: "OPTIONS" });
  await vi.waitFor(async () => expect(await findPlanted()).toContain("gateway"));
}

/** The names of the logs that hold it. */
async function findPlanted(): Promise<string[]> {
  const found = search(await captured.files(run.stack.dataDirectory), { name: "planted", texts: [planted] });
  return found.map((hit) => hit.split(":", 1)[0] ?? "");
}

describe("the search", () => {
  it("finds in each log what was planted there", async () => {
    expect(new Set(await findPlanted())).toEqual(
      new Set(["stack", "console", "gateway", "postgres"]),
    );
  });

  it.each(formsOf(promptEnd))("finds a text in the form %s", (_, needle) => {
    const files = [{ name: "file", text: `first line\n{"message":"x${needle}x"}` }];
    expect(search(files, { name: "prompt", texts: [promptEnd] })).not.toEqual([]);
  });

  it.each(["", "x", "xy"])("finds a text inside of base64 behind %j", (before) => {
    const text = Buffer.from(`${before}${prompt} and more`).toString("base64");
    expect(search([{ name: "file", text }], { name: "prompt", texts: [word] })).not.toEqual([]);
  });

  it("goes through logs that hold something", () => {
    for (const { name, text } of files) expect([name, text.length > 0]).toEqual([name, true]);
    // The database's as a hosted project has it.
    expect(files.find(({ name }) => name === "postgres")?.text).toMatch(
      /(statement|execute .*): create temp table careless/,
    );
  });
});

const own: Record<string, () => string[]> = {
  "prompt": () => [word, promptEnd, "鯨のランタン", prompt],
  "file name": () => [fileName],
  "e-mail address": () => [run.person.email, run.person.email.split("@")[0] ?? ""],
  "password": () => [run.person.password],
  "access token": () => run.person.accessToken.split("."),
  "refresh token": () => [run.person.refreshToken],
  "publishable key": () => [run.keys.publishableKey],
  "secret key": () => [run.keys.secretKey],
  "key that signs tokens": () => [run.keys.signingKey.d ?? ""],
  "key that signs URLs": () => [run.keys.storageSecret],
  "callback secret": () => [run.keys.callbackSecret],
  "sweep secret": () => [run.keys.sweepSecret],
  "provider's key": () => [run.keys.providerApiKey],
  "webhook secret":
    () => [run.keys.providerWebhookSecret, run.keys.providerWebhookSecret.replace("whsec_", "")],
  "callback token": () => secret("callback token"),
  "signed URL of a picture": () => secret("signed URL of a picture"),
  "signed URL of an input": () => secret("signed URL of an input"),
  "signed URL of an upload": () => secret("signed URL of an upload"),
};

function secret(name: string): string[] {
  const found = run.secrets.filter((one) => one.name === name).map(({ text }) => text);
  expect(found).not.toEqual([]);
  return found;
}

describe("no log", () => {
  it.each(Object.keys(own))("holds the user's or the project's %s", (name) => {
    const texts = own[name]?.() ?? [];
    expect(texts.every((text) => text.length > 5)).toBe(true);
    expect(search(files, { name, texts })).toEqual([]);
  });

  it("but the database's holds what somebody typed where another kind of value belongs", () => {
    // `invalid input syntax for type uuid: "…"`, `column … does not exist` and the statement that names the column:
    // said before any code of ours runs, on a hosted project too.
    const found = search(files, { name: "typed", texts: [typed] });
    expect(new Set(found.map((hit) => hit.split(":", 1)[0]))).toEqual(new Set(["postgres"]));
    expect(
      found.filter((hit) =>
        !/invalid input syntax|does not exist|STATEMENT: {2}select "typed-[^"]*" from/.test(hit)
      ),
    ).toEqual([]);
  });
});

const one = (line: Record<string, unknown>) =>
  told.filter((other) => Object.entries(line).every(([name, value]) => other[name] === value));

describe("a function's log", () => {
  it("has one line for each request, with its status and its problem", () => {
    for (const [name, { status, traceId, body, path }] of run.calls) {
      if (!path.startsWith("/functions/")) continue;
      const lines = one({ kind: "request", request_trace_id: traceId });
      expect([name, lines.length]).toEqual([name, 1]);
      const { code } = (status >= 400 ? body : {}) as { code?: string };
      expect({ name, status: lines[0]?.["status"], code: lines[0]?.["code"] }).toEqual({
        name,
        status,
        code,
      });
    }
  });

  it("withholds nothing: every field that the code tells has its form", () => {
    expect(told.filter((line) => "withheld" in line || Object.values(line).includes(withheldMark))).toEqual(
      [],
    );
    expect(told.length).toBeGreaterThan(100);
  });

  it("names what nobody foresaw by its kind", () => {
    const traceId = run.calls.get("unforeseen")?.traceId;
    expect(one({ kind: "request", request_trace_id: traceId })).toMatchObject([{
      status: 500,
      code: "internal_error",
      error: "KernelError",
      error_code: "42501",
      error_call: "cancel_generation",
      user_id: run.person.userId,
    }]);
  });

  it("has a line for a request whose sender died over it", () => {
    expect(one({ request_trace_id: run.broken.traceId })).toMatchObject([{
      kind: "request",
      status: 500,
      outcome: "aborted",
      code: "internal_error",
      error: expect.any(String),
    }]);
  });

  it("tells a replay under the trace of the job, and the request's own beside it", () => {
    const [replay] = one({ kind: "request", request_trace_id: run.calls.get("replay")?.traceId });
    expect(replay).toMatchObject({
      trace_id: run.jobs.get("start")?.traceId,
      job_id: run.jobs.get("start")?.id,
      outcome: "replayed",
    });
    expect(replay?.["trace_id"]).not.toBe(replay?.["request_trace_id"]);
  });

  it.each([
    ["start", "start-generation", ["request", "dispatch", "submit"]],
    ["start", "wavespeed-webhook", ["request", "follow_up", "persist", "store_image"]],
    ["swept", "sweep", ["poll", "persist", "store_image"]],
    ["badly signed", "wavespeed-webhook", ["request", "follow_up", "poll", "persist", "store_image"]],
    ["failed", "wavespeed-webhook", ["request", "follow_up"]],
    ["canceled", "cancel", ["request"]],
  ])("follows the job %s through %s: %j are under its trace", (name, functionName, expected) => {
    const job = run.jobs.get(name);
    const lines = one({ function: functionName, trace_id: job?.traceId });
    const kinds = lines.map((line) => line["step"] ?? line["kind"]);
    expect(new Set(kinds)).toEqual(new Set(expected));
    for (const line of lines) {
      if (line["job_id"] !== undefined) expect(line["job_id"]).toBe(job?.id);
    }
  });

  it.each([
    ["failed", { function: "wavespeed-webhook", provider_class: "task_failed" }],
    ["moderated", { function: "wavespeed-webhook", provider_class: "moderation" }],
    ["rejected", { step: "submit", outcome: "rejected", provider_class: "bad_input" }],
    ["unknown", { step: "submit", outcome: "unknown", reason: "server_error" }],
    ["stored late", { step: "store_image", outcome: "failed", error: "StoreError" }],
    ["canceled", { kind: "request", outcome: "canceled", refund: "released" }],
  ])("says why the job %s is where it is", (name, line) => {
    expect(one({ trace_id: run.jobs.get(name)?.traceId, ...line })).not.toEqual([]);
  });
});

describe("the gateway's log", () => {
  it("has a line for each request, and no query in any", () => {
    const text = files.find(({ name }) => name === "gateway")?.text ?? "";
    const lines = text.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const [name, { status, traceId, path, method }] of run.calls) {
      const found = lines.filter((line) => line["trace_id"] === traceId);
      expect([name, found.length]).toEqual([name, 1]);
      expect(found[0]).toMatchObject({ kind: "access", method, status });
      expect(path.split("?", 1)[0]?.startsWith(String(found[0]?.["path"]).split("*", 1)[0] ?? "-")).toBe(
        true,
      );
    }
    for (const { path } of lines) expect(path).toMatch(/^[a-z0-9_/*-]*$/i);
    expect(lines.some(({ path }) => path === "/realtime/v1/websocket")).toBe(true);
  });
});
