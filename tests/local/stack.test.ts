// The stack as a whole: starting, stopping, starting again, and what is left behind.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runningStack, type Stack } from "../../supabase/local/mod.ts";
import { silent } from "../../supabase/local/log.ts";
import { claim } from "../../supabase/local/state.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { clientOf, newUser, smallProject, startSmallStack } from "./small-stack.ts";

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

interface Foreground {
  child: ChildProcess;
  pid: number;
  url: string;
  /** Resolves to what was said so far, once it holds `words`. */
  said(words: string): Promise<string>;
  exit: Promise<number | null>;
}

/** `npm start` without npm, on the real project. Resolves when its block is printed. */
async function foreground(): Promise<Foreground> {
  const child = spawn(process.execPath, [startFile, "--port", "0", "--data", folder.path], {
    stdio: ["ignore", "pipe", "inherit"],
    env: withoutProvider,
  });
  cleanups.push(() => void child.kill("SIGKILL"));
  const exit = once(child, "exit").then(([code]) => code as number | null);
  let text = "";
  child.stdout!.on("data", (part) => text += String(part));
  const said = (words: string) =>
    vi.waitFor(() => {
      expect(text).toContain(words);
      return text;
    }, { timeout: 30_000 });
  const block = await said("Ctrl-C");
  return { child, pid: child.pid!, url: /API\s+(http\S+)/.exec(block)?.[1] ?? "", said, exit };
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

describe("a stop", () => {
  test("lets background work of functions finish, with the stack still answering, and ends their processes", async () => {
    const calls = createServer((_incoming, outgoing) => answers.push(() => void outgoing.end("ok"))).listen(
      0,
      "127.0.0.1",
    );
    const answers: (() => void)[] = [];
    await once(calls, "listening");
    cleanups.push(() => void calls.close());
    const then = `http://127.0.0.1:${(calls.address() as AddressInfo).port}`;
    const lines: string[] = [];
    const stack = await small({ log: (line) => lines.push(line) });
    const before = descendants(process.pid);
    await fetch(`${stack.url}/functions/v1/echo/background?then=${encodeURIComponent(then)}`);
    await vi.waitFor(() => expect(answers).toHaveLength(1));
    const started = descendants(process.pid).filter((pid) => !before.includes(pid) && isAlive(pid));
    const stopped = stack.stop();
    expect((await fetch(`${stack.url}/_status`)).status).toBe(200);
    answers[0]!();
    await stopped;
    expect(lines.some((line) => line.includes("done in the background"))).toBe(true);
    expect(started).toHaveLength(1);
    expect(started.filter(isAlive)).toEqual([]);
  });
});

describe("what an earlier start left", () => {
  async function leftBehind(
    change: (state: { owner: { mark: string }; children: { mark: string }[] }) => void,
  ) {
    const orphan = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    cleanups.push(() => void orphan.kill("SIGKILL"));
    await once(orphan, "spawn");
    await (await claim(folder.path, silent)).children([orphan.pid!]);
    const file = join(folder.path, "stack.json");
    const state = JSON.parse(await readFile(file, "utf8"));
    change(state);
    await writeFile(file, JSON.stringify(state));
    (await claim(folder.path, silent)).remove();
    return orphan.pid!;
  }

  test("is ended when its owner is gone", async () => {
    const pid = await leftBehind((state) => state.owner.mark = "a process that is no more");
    expect(isAlive(pid)).toBe(false);
  });

  test("is not touched when its number belongs to another process by now", async () => {
    const pid = await leftBehind((state) => {
      state.owner.mark = "a process that is no more";
      for (const child of state.children) child.mark = "another start time";
    });
    expect(isAlive(pid)).toBe(true);
  });
});

describe("npm start", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s ends everything, with status 0", async (signal) => {
    const { child, pid, url, said, exit } = await foreground();
    await fetch(`${url}/functions/v1/cancel`, { method: "POST" }); // so that a function's process runs too
    const started = descendants(pid);
    expect(started.length).toBeGreaterThan(2);
    child.kill(signal);
    await said("Stopping");
    child.kill(signal); // npm and the terminal both send it: one key press is not two
    expect(await exit).toBe(0);
    expect(started.filter(isAlive)).toEqual([]);
    expect(await runningStack(folder.path)).toBeNull();
  });

  test("after kill -9 functions end by themselves, and the next start works on the same data", async () => {
    const first = await foreground();
    const before = descendants(first.pid);
    await fetch(`${first.url}/functions/v1/cancel`, { method: "POST" });
    const left = descendants(first.pid);
    const functions = left.filter((pid) => !before.includes(pid) && isAlive(pid));
    expect(functions).toHaveLength(1);
    first.child.kill("SIGKILL");
    await first.exit;
    await vi.waitFor(() => expect(functions.filter(isAlive)).toEqual([]), { timeout: 5000 });
    const second = await foreground();
    expect(left.filter(isAlive)).toEqual([]);
    const status = await (await fetch(`${second.url}/_status`)).json();
    expect(status).toMatchObject({ ready: true, pid: second.pid });
    second.child.kill("SIGINT");
    expect(await second.exit).toBe(0);
  });

  test("a second one on the same data names the first's address and leaves it alone", async () => {
    const first = await foreground();
    const said = execFileSync(process.execPath, [startFile, "--data", folder.path], {
      encoding: "utf8",
      env: withoutProvider,
    });
    expect(said).toContain(first.url);
    expect((await fetch(`${first.url}/_status`)).status).toBe(200);
    first.child.kill("SIGINT");
    expect(await first.exit).toBe(0);
  });
});
