// The functions host by itself: real Deno processes behind a plain HTTP server. What hosted does otherwise than most
// expect is in tests/traps/functions.test.ts.

import { once } from "node:events";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";
import { callbacks, isAlive, startHost } from "./functions-host.ts";
import { smallProject } from "./small-stack.ts";

const pidOf = async (url: string) => (await (await fetch(`${url}/echo/pid`)).json() as { pid: number }).pid;

describe("what a function sees", () => {
  test("the environment is what the stack gives, and nothing of this process", async () => {
    process.env.OUTSIDE = "secret";
    const { url } = await startHost();
    const valueOf = async (name: string) => await (await fetch(`${url}/echo/env?name=${name}`)).json();
    expect([await valueOf("GREETING"), await valueOf("OUTSIDE")]).toEqual(["moin", null]);
  });

  test("a chunked upload arrives whole", async () => {
    const { url } = await startHost();
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
    const { url } = await startHost();
    const response = await fetch(`${url}/echo/stream`);
    expect(response.headers.get("x-own")).toBe("yes");
    const reader = response.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("first");
    await reader.cancel();
  });
});

describe("what the platform answers itself", () => {
  test.each([
    ["an unknown function", "/nothing", "GET", 404, "NOT_FOUND"],
    ["a folder of shared code", "/_shared", "GET", 404, "NOT_FOUND"],
    ["a function that ends before it listens", "/broken", "GET", 503, "BOOT_ERROR"],
  ])("%s", async (_name, path, method, status, code) => {
    const { url } = await startHost();
    const response = await fetch(url + path, { method });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code });
  });

  test("an error that a function throws is 500, and its own log line names it", async () => {
    const { url, line } = await startHost();
    expect((await fetch(`${url}/echo/throw`)).status).toBe(500);
    expect(await line("thrown on purpose")).toContain("[echo]");
  });
});

describe("a function's life", () => {
  test("one process serves many requests; killed, the next request starts another", async () => {
    const { url, host } = await startHost();
    const first = await pidOf(url);
    expect(await pidOf(url)).toBe(first);
    await host.kill("echo");
    expect(isAlive(first)).toBe(false);
    expect(await pidOf(url)).not.toBe(first);
  });

  test("a request that the kill hits gets an error, not silence", async () => {
    const { url, host } = await startHost();
    const { url: then, called } = await callbacks();
    const hit = fetch(`${url}/echo/wait?then=${encodeURIComponent(then)}`);
    await called();
    await host.kill("echo");
    expect(await (await hit).json()).toMatchObject({ code: "WORKER_ERROR" });
  });

  test("stopped functions answer 503 until they are started again", async () => {
    const { url, host } = await startHost();
    const pid = await pidOf(url);
    await host.stopAll();
    expect(isAlive(pid)).toBe(false);
    expect((await fetch(`${url}/echo/pid`)).status).toBe(503);
    host.startAll();
    expect(await pidOf(url)).not.toBe(pid);
  });

  test("work given to waitUntil is finished before a stopped function ends", async () => {
    const { url, host, line } = await startHost();
    const { url: then, called } = await callbacks();
    const accepted = await fetch(`${url}/echo/background?then=${encodeURIComponent(then)}`);
    expect(accepted.status).toBe(202);
    const answer = await called();
    const stopped = host.stopAll();
    expect(host.pids()).toHaveLength(1);
    answer();
    await stopped;
    await line("done in the background");
    expect(host.pids()).toEqual([]);
  });

  test("background work beyond the drain time is killed", async () => {
    const { url, host } = await startHost({ drainMs: 200 });
    const { url: then, called } = await callbacks();
    await fetch(`${url}/echo/background?then=${encodeURIComponent(then)}`);
    await called();
    await host.stopAll();
    expect(host.pids()).toEqual([]);
  });

  test("changed code serves the next request; one that runs finishes on the old code", async () => {
    const folder = await temporaryFolder();
    // Inside the repository: Deno looks for node_modules upwards from the function.
    const directory = join(smallProject, "../.changing", folder.path.slice(-6));
    onTestFinished(folder.remove);
    await mkdir(join(directory, "functions"), { recursive: true });
    onTestFinished(async () => {
      await rm(join(smallProject, "../.changing"), { recursive: true, force: true });
    });
    await cp(join(smallProject, "functions/echo"), join(directory, "functions/echo"), { recursive: true });
    const { url, line } = await startHost({ directory: join(directory, "functions"), watch: [] });
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
