// The functions host by itself: real Deno processes behind a plain HTTP server.

import { once } from "node:events";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  type FunctionsHost,
  type FunctionsOptions,
  startFunctions,
} from "../../supabase/local/functions/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { smallProject } from "./small-stack.ts";

const denoDirectory = resolve(import.meta.dirname, "../../supabase/.local/deno");

interface Running {
  host: FunctionsHost;
  url: string;
  lines: string[];
  /** The next line that holds `text`, or the first that already did. */
  line(text: string): Promise<string>;
}

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(options: Partial<FunctionsOptions> = {}): Promise<Running> {
  const lines: string[] = [];
  const waiting: { text: string; found: (line: string) => void }[] = [];
  const host = startFunctions({
    directory: join(smallProject, "functions"),
    configFile: join(smallProject, "config.toml"),
    environment: { GREETING: "moin" },
    denoDirectory,
    verifyToken: (token) => token === "good" ? Promise.resolve() : Promise.reject(new Error("bad")),
    log: (line) => {
      lines.push(line);
      for (const wait of waiting) if (line.includes(wait.text)) wait.found(line);
    },
    ...options,
  });
  const url = await serve(createServer((incoming, outgoing) => void host.handle(incoming, outgoing)));
  cleanups.push(() => host.stop());
  return {
    host,
    url: `${url}/functions/v1`,
    lines,
    line: (text) =>
      new Promise((found) => {
        const known = lines.find((line) => line.includes(text));
        if (known !== undefined) found(known);
        else waiting.push({ text, found });
      }),
  };
}

/** An address that a function calls back; each call waits until the test answers it. */
async function callbacks(): Promise<{ url: string; called(): Promise<() => void> }> {
  const calls: (() => void)[] = [];
  const waiting: ((answer: () => void) => void)[] = [];
  const url = await serve(createServer((incoming, outgoing) => {
    incoming.resume();
    const answer = () => void outgoing.end("ok");
    const next = waiting.shift();
    if (next) next(answer);
    else calls.push(answer);
  }));
  return {
    url,
    called: () => {
      const call = calls.shift();
      return call ? Promise.resolve(call) : new Promise((resolve) => waiting.push(resolve));
    },
  };
}

const pidOf = async (url: string) => (await (await fetch(`${url}/echo/pid`)).json() as { pid: number }).pid;
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("what a function sees", () => {
  test("the path starts with its name; method, query, headers and body are as they were sent", async () => {
    const { url } = await start();
    const response = await fetch(`${url}/echo/a/b?c=d&e=%C3%BC`, {
      method: "PATCH",
      headers: { "x-own": "1", "content-type": "text/x-own", authorization: "Bearer whatever" },
      body: "körper",
    });
    expect(await response.json()).toMatchObject({
      path: "/echo/a/b?c=d&e=%C3%BC",
      method: "PATCH",
      body: "körper",
      headers: { "x-own": "1", "content-type": "text/x-own", authorization: "Bearer whatever" },
      zod: "function",
    });
  });

  test("nothing is added: no authorization, no forwarding headers, no CORS on the answer", async () => {
    const { url } = await start();
    const response = await fetch(`${url}/echo`, { headers: { origin: "http://app" } });
    const { headers } = await response.json() as { headers: Record<string, string> };
    expect(Object.keys(headers).filter((name) => /^(authorization|apikey|x-forwarded|via)/.test(name)))
      .toEqual([]);
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test("the environment is what the stack gives, and nothing of this process", async () => {
    process.env.OUTSIDE = "secret";
    const { url } = await start();
    const valueOf = async (name: string) => await (await fetch(`${url}/echo/env?name=${name}`)).json();
    expect([await valueOf("GREETING"), await valueOf("OUTSIDE")]).toEqual(["moin", null]);
  });

  test("a chunked upload arrives whole", async () => {
    const { url } = await start();
    const upload = httpRequest(`${url}/echo/upload`, {
      method: "POST",
      headers: { "transfer-encoding": "chunked" },
    });
    for (let chunk = 0; chunk < 10; chunk++) upload.write(Buffer.alloc(70_000));
    upload.end();
    const [answer] = await once(upload, "response") as [NodeJS.ReadableStream];
    let text = "";
    for await (const part of answer) text += String(part);
    expect(JSON.parse(text)).toEqual({ bytes: 700_000 });
  });

  test("an answer streams: the first part is there while the rest never comes", async () => {
    const { url } = await start();
    const response = await fetch(`${url}/echo/stream`);
    expect(response.headers.get("x-own")).toBe("yes");
    const reader = response.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("first");
    await reader.cancel();
  });
});

describe("what the platform answers itself", () => {
  test("a function without verify_jwt = false asks for a valid token first", async () => {
    const { url } = await start();
    const status = async (token?: string) => {
      const response = await fetch(
        `${url}/guarded`,
        token ? { headers: { authorization: `Bearer ${token}` } } : {},
      );
      await response.body?.cancel();
      return response.status;
    };
    expect([await status(), await status("bad"), await status("good")]).toEqual([401, 401, 200]);
  });

  test.each([
    ["an unknown function", "/nothing", "GET", 404, "NOT_FOUND"],
    ["a folder of shared code", "/_shared", "GET", 404, "NOT_FOUND"],
    ["a method that hosted does not pass on", "/echo", "HEAD", 405, null],
    ["a function that ends before it listens", "/broken", "GET", 503, "BOOT_ERROR"],
  ])("%s", async (_name, path, method, status, code) => {
    const { url } = await start();
    const response = await fetch(url + path, { method });
    expect(response.status).toBe(status);
    if (code) expect(await response.json()).toMatchObject({ code });
  });

  test("an error that a function throws is 500, and its own log line names it", async () => {
    const { url, line } = await start();
    expect((await fetch(`${url}/echo/throw`)).status).toBe(500);
    expect(await line("thrown on purpose")).toContain("[echo]");
  });

  test("no first byte within the limit is 504", async () => {
    const { url } = await start({ firstResponseMs: 300 });
    await pidOf(url);
    const response = await fetch(`${url}/echo/never`);
    expect([response.status, response.headers.get("sb-error-code")]).toEqual([504, "IDLE_TIMEOUT"]);
  });
});

describe("a function's life", () => {
  test("one process serves many requests; killed, the next request starts another", async () => {
    const { url, host } = await start();
    const first = await pidOf(url);
    expect(await pidOf(url)).toBe(first);
    await host.kill("echo");
    expect(isAlive(first)).toBe(false);
    expect(await pidOf(url)).not.toBe(first);
  });

  test("a request that the kill hits gets an error, not silence", async () => {
    const { url, host } = await start();
    const { url: then, called } = await callbacks();
    const hit = fetch(`${url}/echo/wait?then=${encodeURIComponent(then)}`);
    await called();
    await host.kill("echo");
    expect(await (await hit).json()).toMatchObject({ code: "WORKER_ERROR" });
  });

  test("stopped functions answer 503 until they are started again", async () => {
    const { url, host } = await start();
    const pid = await pidOf(url);
    await host.stopAll();
    expect(isAlive(pid)).toBe(false);
    expect((await fetch(`${url}/echo/pid`)).status).toBe(503);
    host.startAll();
    expect(await pidOf(url)).not.toBe(pid);
  });

  test("work given to waitUntil is finished before a stopped function ends, and its rejection is logged", async () => {
    const { url, host, line } = await start();
    const { url: then, called } = await callbacks();
    const accepted = await fetch(`${url}/echo/background?then=${encodeURIComponent(then)}`);
    expect(accepted.status).toBe(202);
    const answer = await called();
    const stopped = host.stopAll();
    expect(host.pids()).toHaveLength(1);
    answer();
    await stopped;
    expect(await line("rejected in the background")).toContain("waitUntil rejected");
    expect(host.pids()).toEqual([]);
  });

  test("background work beyond the drain time is killed", async () => {
    const { url, host } = await start({ drainMs: 200 });
    const { url: then, called } = await callbacks();
    await fetch(`${url}/echo/background?then=${encodeURIComponent(then)}`);
    await called();
    await host.stopAll();
    expect(host.pids()).toEqual([]);
  });

  test("the wall clock kills a worker, also one that is at work", async () => {
    const { url, line } = await start({ wallClockMs: 1500 });
    const { url: then, called } = await callbacks();
    const hit = fetch(`${url}/echo/wait?then=${encodeURIComponent(then)}`);
    await called();
    expect(await line("wall clock")).toContain("1500");
    expect((await hit).status).toBe(500);
  });

  test("changed code serves the next request; one that runs finishes on the old code", async () => {
    const folder = await temporaryFolder();
    // Inside the repository: Deno looks for node_modules upwards from the function.
    const directory = join(smallProject, "../.changing", folder.path.slice(-6));
    cleanups.push(folder.remove);
    await mkdir(join(directory, "functions"), { recursive: true });
    cleanups.push(async () => {
      const { rm } = await import("node:fs/promises");
      await rm(join(smallProject, "../.changing"), { recursive: true, force: true });
    });
    await cp(join(smallProject, "functions/echo"), join(directory, "functions/echo"), { recursive: true });
    const { url, line } = await start({ directory: join(directory, "functions"), watch: [] });
    const { url: then, called } = await callbacks();
    const old = fetch(`${url}/echo/wait?then=${encodeURIComponent(then)}`);
    const answer = await called();
    const greeting = join(directory, "functions/echo/greeting.ts");
    await writeFile(greeting, (await readFile(greeting, "utf8")).replace("hello", "goodbye"));
    await line("echo changed");
    const fresh = await (await fetch(`${url}/echo/pid`)).json() as { pid: number; greeting: string };
    answer();
    const finished = await (await old).json() as { pid: number; greeting: string };
    expect([finished.greeting, fresh.greeting]).toEqual(["hello", "goodbye"]);
    expect(fresh.pid).not.toBe(finished.pid);
  });
});
