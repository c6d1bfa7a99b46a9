// `npm run test:hosted` from outside: a stack of another process, of which it knows the address and the keys.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import postgres from "postgres";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";

const project = resolve(import.meta.dirname, "../..");
const seconds = 1000;

interface Run {
  code: number | null;
  lines: string[];
}

/** Nothing of this process's environment but what every program needs. */
const bare = (more: Record<string, string>) => ({
  PATH: process.env["PATH"] ?? "",
  HOME: process.env["HOME"] ?? "",
  TMPDIR: process.env["TMPDIR"] ?? "/tmp",
  NO_COLOR: "1",
  ...more,
});

async function runHosted(args: string[], environment: Record<string, string>): Promise<Run> {
  const child = spawn(process.execPath, [join(project, "tests/hosted.ts"), ...args], {
    cwd: project,
    env: bare(environment),
    detached: true, // so that a test that gives up can end it with all that it started
  });
  onTestFinished(() => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  }
  const [code] = await once(child, "close");
  return { code, lines };
}

/** `npm start` with an empty data folder and the stand-in provider, until the test is finished. */
async function startElsewhere() {
  const folder = await temporaryFolder();
  onTestFinished(folder.remove);
  const program = join(project, "supabase/local/start.ts");
  // An empty key hides a developer's own: a test never reaches the real provider.
  const child = spawn(process.execPath, [program, "--port", "0", "--data", folder.path], {
    cwd: folder.path,
    env: bare({ WAVESPEED_API_KEY: "" }),
  });
  const closed = once(child, "close");
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await closed;
  });
  const lines: string[] = [];
  child.stderr.pipe(process.stderr);
  await new Promise<void>((ready, fail) => {
    closed.then(() => fail(new Error(`it ended:\n${lines.join("\n")}`)), fail);
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      if (/^ {2}Stop /.test(line)) ready();
    });
  });
  const shown = (name: string) => lines.join("\n").match(new RegExp(`^ {2}${name} +(\\S+)`, "m"))?.[1] ?? "";
  return {
    url: shown("API"),
    keys: { GENFLOW_PUBLISHABLE_KEY: shown("Publishable"), GENFLOW_SECRET_KEY: shown("Secret") },
    databaseUrl: shown("Database"),
    lines,
  };
}

describe("npm run test:hosted", () => {
  it(
    "passes against a stack that it did not start, says truly what it will do, and leaves no user",
    async () => {
      const { url, keys, databaseUrl, lines: stackLines } = await startElsewhere();
      const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
      onTestFinished(() => sql.end());
      // A hosted project has no seed: the defaults are what it starts with.
      await sql`update genflow.settings set sign_up_grant_credits = default, user_start_burst = default,
      user_starts_per_minute = default where singleton`;
      await sql`update genflow.provider set start_burst = default, starts_per_minute = default where singleton`;

      const { code, lines } = await runHosted(["--url", url], keys);
      expect([code, lines.at(-1)], lines.join("\n")).toEqual([
        0,
        expect.stringMatching(/^\d+ passed, 0 failed$/),
      ]);
      expect(Number(lines.at(-1)?.split(" ")[0])).toBeGreaterThan(40);
      const text = lines.join("\n");
      expect(text).not.toContain(keys.GENFLOW_SECRET_KEY);

      // The ledger outlives the users.
      const [made] = await sql`select count(*)::int as jobs, -sum(amount)::int as credits
      from public.credit_entries where kind = 'reserve'`;
      const [, users, jobs, credits] = text.match(/makes (\d+) users and (\d+) jobs of (\d+) credits/) ?? [];
      expect(made).toEqual({ jobs: Number(jobs), credits: Number(credits) });
      expect(lines).toContain(`Removed ${users} of ${users} users.`);
      const left = await sql`select id from auth.users`;
      expect(left).toEqual([]);

      // While at it: our own functions gave all that they do after an answer to waitUntil, within the limits.
      expect(stackLines.filter((line) => /dropped|limit of|Uncaught/.test(line))).toEqual([]);
    },
    180 * seconds,
  );

  const keys = { GENFLOW_PUBLISHABLE_KEY: "sb_publishable_x", GENFLOW_SECRET_KEY: "sb_secret_x" };
  const here = "http://127.0.0.1:2"; // not one that fetch refuses to try

  it.for<[string, string[], Record<string, string>, RegExp]>([
    ["no address", [], keys, /--url is missing/],
    ["an address that is none", ["--url", "project"], keys, /not an http/],
    ["an address with more behind it", ["--url", `${here}/rest/v1`], keys, /address alone/],
    ["a key in the address", ["--url", `${here}?apikey=x`], keys, /address alone/],
    ["http to another machine", ["--url", "http://project.example.com"], keys, /must be https/],
    ["an unknown option", ["--url", here, "--key", "x"], keys, /Unknown option[^]*Usage/],
    [
      "no publishable key",
      ["--url", here],
      { ...keys, GENFLOW_PUBLISHABLE_KEY: "" },
      /PUBLISHABLE_KEY is not/,
    ],
    ["no secret key", ["--url", here], { ...keys, GENFLOW_SECRET_KEY: "" }, /SECRET_KEY is not/],
    ["keys the wrong way round", ["--url", here], {
      GENFLOW_PUBLISHABLE_KEY: keys.GENFLOW_SECRET_KEY,
      GENFLOW_SECRET_KEY: keys.GENFLOW_PUBLISHABLE_KEY,
    }, /is it the other key/],
    ["an address where nothing answers", ["--url", here], keys, /Nothing answers/],
  ])("begins nothing and exits 2 for %s", async ([, args, environment, says]) => {
    const { code, lines } = await runHosted(args, environment);
    expect(lines.join("\n")).toMatch(says);
    expect(code).toBe(2);
  });
});
