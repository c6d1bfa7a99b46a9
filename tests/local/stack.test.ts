// The stack as a whole: starting, stopping, starting again, and what is left behind.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runningStack, type Stack } from "../../supabase/local/mod.ts";
import { clientOf, newUser, smallProject, startSmallStack, temporaryFolder } from "./small-stack.ts";

const startFile = resolve(import.meta.dirname, "../../supabase/local/start.ts");
// An empty value also hides what a developer's .env says: these tests never reach the real provider.
const withoutProvider = { ...process.env, WAVESPEED_API_KEY: "" };
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const cleanups: (() => Promise<unknown> | void)[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await folder.remove();
});

async function small(options: Partial<Parameters<typeof startSmallStack>[0]> = {}): Promise<Stack> {
  const stack = await startSmallStack({ dataDirectory: folder.path, ...options });
  cleanups.push(() => stack.stop());
  return stack;
}

/** `npm start` without npm, on the real project. Resolves when its block is printed. */
async function foreground(): Promise<{ child: ChildProcess; text: string; url: string }> {
  const child = spawn(process.execPath, [startFile, "--port", "0", "--data", folder.path], {
    stdio: ["ignore", "pipe", "inherit"],
    env: withoutProvider,
  });
  cleanups.push(() => void child.kill("SIGKILL"));
  let text = "";
  for await (const line of createInterface({ input: child.stdout! })) {
    text += `${line}\n`;
    if (line.includes("Ctrl-C")) break;
  }
  return { child, text, url: /API\s+(http\S+)/.exec(text)?.[1] ?? "" };
}

/** Everything below a process, by the system's own list. */
function descendants(root: number): number[] {
  const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n")
    .map((row) => row.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    rows.filter(([, ppid]) => ppid === parent).flatMap(([pid]) => [pid ?? 0, ...below(pid ?? 0)]);
  return below(root);
}

function isAlive(pid: number): boolean {
  const state = execFileSync("sh", ["-c", `ps -o stat= -p ${pid} || true`], { encoding: "utf8" }).trim();
  return state !== "" && !state.startsWith("Z");
}

const rowsOf = async (url: string, query: string) => {
  const sql = postgres(url, { max: 1 });
  try {
    return [...await sql.unsafe(query)];
  } finally {
    await sql.end();
  }
};

describe("a start", () => {
  test("takes the next port when the wished one is busy, and says so in one line", async () => {
    const busy = createServer().listen(0, "127.0.0.1");
    await once(busy, "listening");
    cleanups.push(() => void busy.close());
    const { port } = busy.address() as AddressInfo;
    const lines: string[] = [];
    const stack = await small({ port, log: (line) => lines.push(line) });
    expect(Number(new URL(stack.url).port)).toBeGreaterThan(port);
    expect(lines.filter((line) => line.includes(`Port ${port} is in use`))).toHaveLength(1);
    expect((await fetch(`${stack.url}/_status`)).status).toBe(200);
  });

  test("keeps data, files, keys and sessions for the next one, and seeds only once", async () => {
    const first = await small();
    const ada = await newUser(first);
    await ada.client.from("notes").insert({ body: { kept: true } });
    const path = `${ada.id}/kept.png`;
    await ada.client.storage.from("pictures").upload(path, new Blob(["kept"], { type: "image/png" }));
    const { refresh_token } = (await ada.client.auth.getSession()).data.session!;
    await first.stop();

    const second = await small();
    expect([second.publishableKey, second.secretKey]).toEqual([first.publishableKey, first.secretKey]);
    const client = clientOf(second);
    expect((await client.auth.refreshSession({ refresh_token })).data.user?.id).toBe(ada.id);
    expect((await client.from("notes").select("body")).data).toEqual([{ body: { kept: true } }]);
    expect((await client.storage.from("pictures").download(path)).data?.size).toBe(4);
    expect(await rowsOf(second.databaseUrl, "select by_role from public.seeded")).toEqual([{
      by_role: "postgres",
    }]);
  });

  test("tells the database where the functions are, also when the port has changed", async () => {
    const secrets = "select name, decrypted_secret from vault.decrypted_secrets order by name";
    const first = await small();
    await first.stop();
    const second = await small();
    expect(await rowsOf(second.adminUrl, secrets)).toEqual([
      { name: "genflow_functions_url", decrypted_secret: `${second.url}/functions/v1` },
      { name: "genflow_sweep_secret", decrypted_secret: expect.any(String) },
    ]);
  });

  test("is refused while another one has the same data, and the first stays as it is", async () => {
    const first = await small();
    expect(await runningStack(folder.path)).toMatchObject({ url: first.url, secretKey: first.secretKey });
    await expect(startSmallStack({ dataDirectory: folder.path })).rejects.toThrow(first.url);
    expect((await fetch(`${first.url}/_status`)).status).toBe(200);
    await first.stop();
    expect(await runningStack(folder.path)).toBeNull();
  });

  test("that fails in a migration says where, and leaves no process and no lock", async () => {
    const project = join(folder.path, "project");
    await mkdir(join(project, "migrations"), { recursive: true });
    await writeFile(
      join(project, "migrations/20251231000000_wrong.sql"),
      "select 1;\nselect nothing_like_this();\n",
    );
    const before = descendants(process.pid).length;
    const broken = { dataDirectory: join(folder.path, "data"), supabaseDirectory: project };
    await expect(startSmallStack(broken)).rejects.toThrow("20251231000000_wrong");
    // ps is a child of its own each time it is asked.
    expect(descendants(process.pid)).toHaveLength(before);
    await cp(join(smallProject, "migrations"), join(project, "migrations"), { recursive: true });
    await writeFile(join(project, "migrations/20251231000000_wrong.sql"), "select 1;\n");
    await (await startSmallStack(broken)).stop();
  });

  test("with a provider key starts no stand-in and hands the key to the functions", async () => {
    const stack = await small({
      env: { WAVESPEED_API_KEY: "real", PUBLIC_WEBHOOK_URL: "https://tunnel.example/hook" },
    });
    const valueOf = async (name: string) =>
      await (await fetch(`${stack.url}/functions/v1/echo/env?name=${name}`)).json();
    expect(stack.wavespeedUrl).toBeNull();
    expect(await valueOf("WAVESPEED_API_KEY")).toBe("real");
    expect(await valueOf("WAVESPEED_BASE_URL")).toBeNull();
    expect(await valueOf("GENFLOW_WEBHOOK_URL")).toBe("https://tunnel.example/hook");
  });

  test("keeps its secrets in files that only their owner reads", async () => {
    await small();
    for (const name of ["keys.json", "stack.json"]) {
      expect((await stat(join(folder.path, name))).mode & 0o777, name).toBe(0o600);
    }
  });
});

describe("npm start", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s ends everything, with status 0", async (signal) => {
    const { child, url } = await foreground();
    await fetch(`${url}/functions/v1/cancel`, { method: "POST" }); // so that a function's process runs too
    const started = descendants(child.pid!);
    expect(started.length).toBeGreaterThan(2);
    const ended = once(child, "exit");
    child.kill(signal);
    child.kill(signal); // npm and the terminal both send it: one key press is not two
    expect((await ended)[0]).toBe(0);
    expect(started.filter(isAlive)).toEqual([]);
    expect(await runningStack(folder.path)).toBeNull();
  });

  test("after kill -9 the next start cleans up and works on the same data", async () => {
    const first = await foreground();
    await fetch(`${first.url}/functions/v1/cancel`, { method: "POST" });
    const left = descendants(first.child.pid!);
    const ended = once(first.child, "exit");
    first.child.kill("SIGKILL");
    await ended;
    const second = await foreground();
    expect(second.text).toContain("Genflow is running");
    await vi.waitFor(() => expect(left.filter(isAlive)).toEqual([]));
    const status = await (await fetch(`${second.url}/_status`)).json();
    expect(status).toMatchObject({ ready: true, pid: second.child.pid });
    const stopped = once(second.child, "exit");
    second.child.kill("SIGINT");
    await stopped;
  });

  test("a second one on the same data names the first's address and leaves it alone", async () => {
    const first = await foreground();
    const said = execFileSync(process.execPath, [startFile, "--data", folder.path], {
      encoding: "utf8",
      env: withoutProvider,
    });
    expect(said).toContain(first.url);
    expect((await fetch(`${first.url}/_status`)).status).toBe(200);
    const stopped = once(first.child, "exit");
    first.child.kill("SIGINT");
    await stopped;
  });
});
