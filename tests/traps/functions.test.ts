// Edge Functions: what runs on a developer's machine and not on a hosted project.

import { join } from "node:path";
import { createClient } from "@supabase/supabase-js";
import { expect, onTestFinished, test } from "vitest";
import { functionsEnvironment } from "../../supabase/local/environment.ts";
import type { FunctionsOptions, WorkerLimits } from "../../supabase/local/functions/mod.ts";
import { createTokens, openGateway } from "../../supabase/local/gateway/mod.ts";
import { loadKeys } from "../../supabase/local/keys.ts";
import { callbacks, isAlive, startHost } from "../local/functions-host.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const directory = join(import.meta.dirname, "functions");
const configFile = join(directory, "config.toml");

interface Here {
  pid: number;
  count: number;
}

const start = async (limits: Partial<WorkerLimits> = {}, more: Partial<FunctionsOptions> = {}) => {
  const running = await startHost({ directory, configFile, limits, ...more });
  const worker = `${running.url}/worker`;
  return {
    ...running,
    worker,
    here: async <T extends object>(path = ""): Promise<Here & T> => await (await fetch(worker + path)).json(),
  };
};

/** What a client gets: status, and the platform's code where it is the platform that answers. */
async function answerOf(answering: Promise<Response>): Promise<[number, string | null]> {
  const response = await answering;
  await response.text();
  return [response.status, response.headers.get("sb-error-code")];
}

const workerLimit = [546, "WORKER_LIMIT"];
const then = (url: string) => `then=${encodeURIComponent(url)}`;

/** The functions behind the stack's own gateway, with its keys and tokens and no database. */
async function startProject(env: Record<string, string> = {}) {
  const folder = await temporaryFolder();
  onTestFinished(folder.remove);
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const gateway = await openGateway({ port: 0, log });
  onTestFinished(() => gateway.stop());
  const { url } = gateway;
  const keys = await loadKeys(folder.path);
  const tokens = await createTokens({ signingKey: keys.signingKey, issuer: `${url}/auth/v1` });
  const databaseUrl = "postgres://nobody@127.0.0.1:1/none";
  const environment = functionsEnvironment({
    url,
    databaseUrl,
    keys,
    jwks: tokens.jwks,
    provider: null,
    extra: env,
    log,
  });
  const { host } = await startHost({
    directory,
    configFile,
    environment,
    verifyToken: tokens.verify,
  });
  const none = { handle: () => Promise.resolve(new Response(null, { status: 404 })) };
  const realtime = { handleUpgrade: () => {}, handleHttp: none.handle };
  const pages = { status: none, playground: none };
  gateway.serve({ rest: none, auth: none, storage: none, ...pages, realtime, functions: host });
  return { url, keys, tokens, lines };
}

const clientOf = (url: string, key: string) =>
  createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } });

test("trap 30: a function sees its own name first in the path, and a host that is not the project's", async () => {
  const { url } = await startProject();
  const response = await fetch(`${url}/functions/v1/open/a/b?c=d`, { method: "PATCH", body: "x" });
  const seen = await response.json();
  expect([seen.path, seen.method]).toEqual(["/open/a/b?c=d", "PATCH"]);
  expect(seen.host).not.toBe(new URL(url).host);
});

test("trap 30: the gateway adds no authorization and no CORS, and a preflight is the function's to answer", async () => {
  const { url, keys } = await startProject();
  const origin = "https://app.example";
  const response = await fetch(`${url}/functions/v1/open`, {
    headers: { apikey: keys.publishableKey, origin },
  });
  const { headers } = await response.json();
  expect(Object.keys(headers).filter((name) => /^(authorization|x-forwarded-|forwarded|via)/.test(name)))
    .toEqual([]);
  expect(headers).toMatchObject({ apikey: keys.publishableKey, origin });
  const preflight = await fetch(`${url}/functions/v1/guarded`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST" },
  });
  expect(await preflight.text()).toBe("in");
  for (const answer of [response, preflight]) {
    expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  }
});

test("trap 30: a publishable key is no JWT, so an anonymous invoke passes only with verify_jwt = false", async () => {
  const { url, keys, tokens } = await startProject();
  const anonymous = clientOf(url, keys.publishableKey);
  const refused = await anonymous.functions.invoke("guarded");
  expect(refused.error?.context.status).toBe(401);
  const passed = await anonymous.functions.invoke("open");
  expect([passed.error, passed.data.headers.authorization]).toEqual([null, undefined]);

  const token = await tokens.sign({ sub: crypto.randomUUID(), role: "authenticated" }, 60);
  const invokeWith = async (bearer: string) => {
    const headers = { authorization: `Bearer ${bearer}` };
    const { error } = await anonymous.functions.invoke("guarded", { headers });
    return error?.context.status ?? 200;
  };
  expect(await Promise.all([token, `${token.slice(0, -4)}AAAA`, keys.publishableKey].map(invokeWith)))
    .toEqual([200, 401, 401]);
});

test("trap 31: work that nobody gave to waitUntil is cut off after the answer, with its worker", async () => {
  const { here, line } = await start();
  const back = await callbacks();
  const first = await here(`/forgotten-call?${then(back.url)}`);
  await expect.poll(() => isAlive(first.pid)).toBe(false);
  expect(await line("dropped")).toContain("waitUntil");
  await line("unloading: early_drop");
  // The first call may have gone out before the cut; what should have followed never comes.
  expect(back.paths.filter((path) => path !== "/1")).toEqual([]);
  const later = await callbacks();
  const second = await here(`/forgotten-timer?${then(later.url)}`);
  await expect.poll(() => isAlive(second.pid)).toBe(false);
  expect([second.count, later.paths]).toEqual([1, []]);
});

test("trap 31: work given to waitUntil goes on after the answer, and its worker serves on", async () => {
  const { here } = await start();
  const back = await callbacks();
  const { pid } = await here(`/registered?${then(back.url)}`);
  (await back.called())();
  const answerSecond = await back.called();
  expect(await here()).toMatchObject({ pid, count: 2 });
  answerSecond();
  expect(back.paths).toEqual(["/1", "/2"]);
});

test("trap 31: under the policy oneshot a worker serves one answer, and still finishes what waitUntil holds", async () => {
  const { here } = await start({ workerPolicy: "oneshot" });
  const back = await callbacks();
  const { pid } = await here(`/registered?${then(back.url)}`);
  (await back.called())();
  const answerSecond = await back.called();
  expect(isAlive(pid)).toBe(true);
  answerSecond();
  await expect.poll(() => isAlive(pid)).toBe(false);
  const plain = await here();
  await expect.poll(() => isAlive(plain.pid)).toBe(false);
  expect(await here()).toMatchObject({ count: 1 });
});

test("trap 31: waitUntil takes promises only; a thenable, such as a query, is not even begun", async () => {
  const { here } = await start();
  const registered = await here<{ sameBack: boolean }>("/thenable");
  expect(registered.sameBack).toBe(true);
  expect(await here("/thenable-begun")).toMatchObject({ pid: registered.pid, thenableBegun: false });
});

test("trap 31: waitUntil catches nothing: a rejection ends the worker, and whatever else runs in it", async () => {
  const { worker, here, line } = await start();
  const other = await callbacks();
  const back = await callbacks();
  const hit = fetch(`${worker}/wait?${then(other.url)}`);
  await other.called();
  const { pid } = await here(`/rejected?${then(back.url)}`);
  (await back.called())();
  expect(await answerOf(hit)).toEqual([500, "WORKER_ERROR"]);
  expect(await line("nobody catches this")).toContain("Uncaught");
  expect(isAlive(pid)).toBe(false);
});

test("trap 31: too much CPU time kills the worker and every request in it; the next one gets a new worker", async () => {
  const { worker, here, line } = await start({ cpuSoftMs: 200, cpuHardMs: 400 });
  const { pid } = await here();
  const back = await callbacks();
  const waiting = fetch(`${worker}/wait?${then(back.url)}`);
  await back.called();
  const burning = fetch(`${worker}/burn?ms=Infinity`);
  const body = await (await burning).json();
  expect([(await burning).status, body.code]).toEqual([546, "WORKER_LIMIT"]);
  expect(await answerOf(waiting)).toEqual(workerLimit);
  expect(await line("hard limit")).toContain("CPU");
  expect(isAlive(pid)).toBe(false);
  expect((await here()).count).toBe(1);
});

test("trap 31: time spent waiting is no CPU time", async () => {
  const { here } = await start({ cpuSoftMs: 200, cpuHardMs: 300 });
  const { pid } = await here("/sleep?ms=700");
  expect(await here()).toMatchObject({ pid, count: 2 });
});

test("trap 31: above the soft limit of CPU time a request still ends, and the next one gets a new worker", async () => {
  const { here, line } = await start({ cpuSoftMs: 100, cpuHardMs: 60_000 });
  const { pid } = await here("/burn?ms=1000");
  await line("soft limit");
  await expect.poll(() => isAlive(pid)).toBe(false);
  expect((await here()).count).toBe(1);
});

test("trap 31: background work has the request's CPU time and no more", async () => {
  const { here, line } = await start({ cpuSoftMs: 200, cpuHardMs: 400 });
  const back = await callbacks();
  const { pid } = await here(`/burn-after?${then(back.url)}`);
  (await back.called())();
  await line("hard limit");
  await expect.poll(() => isAlive(pid)).toBe(false);
});

const mebibyte = 2 ** 20;

test.each([["objects", ""], ["buffers", "?mb=400"]])(
  "trap 31: too much memory kills the worker (%s)",
  async (path, query) => {
    const { worker, here } = await start({ memoryBytes: 96 * mebibyte, cpuHardMs: 60_000 });
    const { pid } = await here();
    expect(await answerOf(fetch(`${worker}/${path}${query}`))).toEqual(workerLimit);
    expect(isAlive(pid)).toBe(false);
  },
);

test("trap 31: a worker lives for its wall clock only, at work or not; from half of it on another serves, which knows nothing of it", async () => {
  const { worker, here, line } = await start({ wallClockMs: 2000 });
  const back = await callbacks();
  const first = await here();
  const busy = fetch(`${worker}/wait?${then(back.url)}`);
  await back.called();
  await expect.poll(async () => (await here()).pid).not.toBe(first.pid);
  expect((await here()).count).toBe(2);
  expect(isAlive(first.pid)).toBe(true);
  await line("unloading: wall_clock");
  expect(await answerOf(busy)).toEqual(workerLimit);
  await line("wall clock of 2000 ms");
});

test("trap 31: what a module keeps is gone with its worker", async () => {
  const { host, here } = await start();
  expect([(await here()).count, (await here()).count]).toEqual([1, 2]);
  await host.kill("worker");
  expect((await here()).count).toBe(1);
});

test("trap 31: a stopped worker is told before it goes", async () => {
  const { host, here, lines } = await start();
  await here();
  await host.stopAll();
  expect(lines).toContain("[worker] unloading: termination");
});

test("trap 31: no first byte within the limit is 504", async () => {
  const { worker, here } = await start({ firstResponseMs: 300 });
  await here();
  expect(await answerOf(fetch(`${worker}/never`))).toEqual([504, "IDLE_TIMEOUT"]);
});

test("trap 31: mail ports are closed, Web Workers are not there, native modules do not load", async () => {
  const { url, here, line } = await start();
  const { tried } = await here<{ tried: string[] }>("/ports");
  expect(tried).toEqual(Array(8).fill("NotCapable"));
  expect(await here("/web-worker")).toMatchObject({ worker: "undefined" });
  expect(await answerOf(fetch(`${url}/native`))).toEqual([503, "BOOT_ERROR"]);
  await line("Requires ffi access");
});

test("trap 31: a page is served as plain text to GET, and as it is to other methods", async () => {
  const { worker } = await start();
  const typeOf = async (type: string, method = "GET") => {
    const response = await fetch(`${worker}/page?type=${encodeURIComponent(type)}`, { method });
    await response.text();
    return response.headers.get("content-type");
  };
  expect(await typeOf("text/html; charset=utf-8")).toBe("text/plain; charset=utf-8");
  expect(await typeOf("text/html", "POST")).toBe("text/html");
  expect(await typeOf("application/xhtml+xml")).toBe("application/xhtml+xml");
});

test("trap 31: an answer before a large upload was read breaks the connection; draining it first does not", async () => {
  const { worker, line } = await start();
  const upload = new Uint8Array(32 * mebibyte);
  const send = (path: string) => fetch(worker + path, { method: "POST", body: upload });
  await expect(send("/unread")).rejects.toThrow("fetch failed");
  await line("answered before it had read the request's body");
  expect((await send("/read")).status).toBe(200);
});

test("trap 31: a function's own failure and the platform's are told apart by sb-error-code", async () => {
  const { url, worker } = await start();
  expect(await answerOf(fetch(`${worker}/throw`))).toEqual([500, "EDGE_FUNCTION_ERROR"]);
  expect(await answerOf(fetch(`${worker}/status?is=503`))).toEqual([503, "EDGE_FUNCTION_ERROR"]);
  expect(await answerOf(fetch(`${worker}/status?is=404`))).toEqual([404, null]);
  expect(await answerOf(fetch(`${url}/nothing`))).toEqual([404, "NOT_FOUND"]);
  expect(await answerOf(fetch(worker, { method: "HEAD" }))).toEqual([405, "METHOD_NOT_ALLOWED"]);
});

test("trap 32: a server is known by its secret key in `apikey`; there is no service role key to compare", async () => {
  const { url, keys } = await startProject();
  const asServer = await clientOf(url, keys.secretKey).functions.invoke("keys");
  expect(asServer.data).toMatchObject({ oldWay: false, isSecret: true, isPublishable: false });
  expect(asServer.data.bearer).not.toBe(keys.secretKey);
  const asApp = await clientOf(url, keys.publishableKey).functions.invoke("keys");
  expect(asApp.data).toMatchObject({ oldWay: false, isSecret: false, isPublishable: true });
});

test("trap 32: secrets that begin with SUPABASE_ are the platform's own and are not taken", async () => {
  const { url, keys, lines } = await startProject({
    SUPABASE_SERVICE_ROLE_KEY: "own-service-key",
    SUPABASE_URL: "http://127.0.0.1:1",
    OWN_SECRET: "mine",
  });
  const headers = { apikey: keys.secretKey, authorization: "Bearer own-service-key" };
  const response = await fetch(`${url}/functions/v1/keys`, { headers });
  expect(await response.json()).toMatchObject({ oldWay: false, isSecret: true, own: "mine", url });
  const refused = lines.filter((line) => line.includes("is ignored"));
  expect(refused.map((line) => line.match(/SUPABASE_\w+/)?.[0])).toEqual([
    "SUPABASE_SERVICE_ROLE_KEY",
    "SUPABASE_URL",
  ]);
  expect(refused.join()).not.toContain("own-service-key");
});
