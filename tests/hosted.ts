// `npm run test:hosted -- --url <project url>`: the flow tests that need no hands on the provider, against a project
// that runs already: a hosted one, `supabase start`, or `npm start`. Ends with one line: N passed, N failed.
//
// The keys come from the environment, since a command line is seen by every user of the machine and kept by the shell.
// Exit codes: 0 all passed, 1 a test failed or a user could not be removed, 2 nothing was begun.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { NotBegun, readTarget, type Target, usage } from "./hosted-target.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const project = resolve(import.meta.dirname, "..");
/** What each file asks of the project. A test holds these numbers against the ledger. */
const files: { name: string; users: number; jobs: number; credits: number }[] = [
  { name: "main-job", users: 2, jobs: 1, credits: 1 },
  { name: "requests", users: 2, jobs: 4, credits: 7 },
  { name: "cancel-anywhere", users: 1, jobs: 2, credits: 2 },
  { name: "closed-doors", users: 1, jobs: 0, credits: 0 },
];

const withoutSession = { auth: { persistSession: false, autoRefreshToken: false } };
const answerMs = 15_000;
const summaryForm = /^\d+ passed, \d+ failed/;

/** Asks the project four cheap questions, so that what is amiss is said once and not by thirty tests. */
async function checkProject(
  { url, publishableKey }: Target,
  admin: SupabaseClient,
): Promise<void> {
  const ask = (path: string, init: RequestInit) =>
    fetch(url + path, { ...init, signal: AbortSignal.timeout(answerMs) }).catch((error: unknown) => {
      const cause = error instanceof Error && error.cause instanceof Error
        ? error.cause.message
        : String(error);
      throw new NotBegun(`Nothing answers at ${url}: ${cause}`);
    });
  const settings = await ask("/auth/v1/settings", { headers: { apikey: publishableKey } });
  await settings.body?.cancel();
  if (settings.status === 401) throw new NotBegun("GENFLOW_PUBLISHABLE_KEY is not a key of this project.");
  if (!settings.ok) {
    throw new NotBegun(`${url} is no Supabase: /auth/v1/settings answers ${settings.status}.`);
  }
  const users = await admin.auth.admin.listUsers({ page: 1, perPage: 1 });
  if (users.error) throw new NotBegun(`GENFLOW_SECRET_KEY may not manage users: ${users.error.message}`);
  const models = await admin.from("generation_models").select("id").eq("enabled", true);
  if (models.error) throw new NotBegun(`The migrations are not in this project: ${models.error.message}`);
  const start = await ask("/functions/v1/start-generation", { method: "POST", body: "{}" });
  const { code } = await start.json().catch(() => ({ code: null })) as { code: unknown };
  if (start.status !== 401 || code !== "unauthorized") {
    throw new NotBegun(
      `start-generation answers ${start.status} where it should refuse by itself: are the functions deployed, with verify_jwt = false?`,
    );
  }
}

function announce({ url }: Target): void {
  const sum = (of: "users" | "jobs" | "credits") => files.reduce((total, file) => total + file[of], 0);
  console.log(
    `Against ${url}: makes ${sum("users")} users and ${sum("jobs")} jobs of ${
      sum("credits")
    } credits, then removes the users.
If the project has the real provider's key, the pictures are real and cost its owner money.
`,
  );
}

/** Runs the chosen files; answers vitest's exit code and the line that sums up, which is printed last. */
function runTests(target: Target, createdUsers: string): Promise<{ code: number; summary: string }> {
  return new Promise((done, fail) => {
    const chosen = files.map(({ name }) => `tests/flow/${name}.test.ts`);
    const child = spawn(process.execPath, [join(project, "tests/run.ts"), "--project", "flow", ...chosen], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        GENFLOW_URL: target.url,
        GENFLOW_PUBLISHABLE_KEY: target.publishableKey,
        GENFLOW_SECRET_KEY: target.secretKey,
        GENFLOW_CREATED_USERS: createdUsers,
      },
    });
    let summary = "";
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (summaryForm.test(line)) summary = line;
      else console.log(line);
    });
    child.once("error", fail);
    child.once("close", (code) => done({ code: code ?? 1, summary }));
  });
}

/** What the users had is erased by the project itself, at its next sweep. Answers how many are left. */
async function removeUsers(admin: SupabaseClient, createdUsers: string): Promise<number> {
  const ids = (await readFile(createdUsers, "utf8").catch(() => "")).split("\n").filter(Boolean);
  let left = 0;
  for (const id of ids) {
    const { error } = await admin.auth.admin.deleteUser(id);
    if (!error) continue;
    left++;
    console.error(`User ${id} is left: ${error.message}`);
  }
  console.log(`Removed ${ids.length - left} of ${ids.length} users.`);
  return left;
}

async function main(): Promise<number> {
  const target = readTarget(process.argv.slice(2), process.env);
  if (target === null) {
    console.log(usage);
    return 0;
  }
  const admin = createClient(target.url, target.secretKey, withoutSession);
  await checkProject(target, admin);
  announce(target);
  const folder = await temporaryFolder();
  const createdUsers = join(folder.path, "users");
  // Ctrl-C reaches the tests too; what they made is removed all the same.
  process.on("SIGINT", () => {});
  try {
    const { code, summary } = await runTests(target, createdUsers);
    const left = await removeUsers(admin, createdUsers);
    console.log(summary || "0 passed, 1 failed");
    return code === 0 && left === 0 ? 0 : 1;
  } finally {
    await folder.remove();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof NotBegun)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
