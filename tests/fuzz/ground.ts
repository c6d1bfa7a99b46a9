// The real stack with running jobs to aim at: each target is an attempt at the stand-in provider, which never ends a task
// by itself here.

import { randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { type Stack, startStack } from "../../supabase/local/mod.ts";
import { loadKeys, type StackKeys } from "../../supabase/local/keys.ts";
import { checkAftermath } from "../flow/aftermath.ts";
import { newUser } from "../flow/users.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import type { Target } from "./headers.ts";

export interface Aimed extends Target {
  jobId: string;
  /** Whether its task is known to it from the start. */
  hasTask: boolean;
}

export interface Ground {
  stack: Stack;
  sql: postgres.Sql;
  keys: StackKeys;
  /** What the stack has said, newest last. */
  said: string[];
  /** New running jobs; those without a task were cut off in the middle of their submit. */
  aim(count: number, hasTask: boolean): Promise<Aimed[]>;
  /** Of the webhook's processes that live now. */
  residentBytes(): Promise<number>;
  stop(): Promise<void>;
}

const dayMs = 24 * 60 * 60 * 1000;
const starting = 4;
const submitMs = 30_000;
const pollMs = 50;

export async function layGround(): Promise<Ground> {
  const folder = await temporaryFolder();
  const said: string[] = [];
  const stack = await startStack({
    dataDirectory: folder.path,
    port: 0,
    cron: false,
    log: (line) => void said.push(line),
  });
  const sql = postgres(stack.adminUrl, { max: 2, onnotice: () => {} });
  const stop = async () => {
    await sql.end();
    await stack.stop();
    await checkAftermath(folder.path).finally(() => folder.remove());
  };
  try {
    await raiseLimits(sql);
    await control(stack, { latencyMs: dayMs, concurrency: 1_000_000 });
    const keys = await loadKeys(folder.path);
    const client = await newUser({ ...stack, external: false });
    const { data: { session } } = await client.auth.getSession();
    await client.auth.stopAutoRefresh();
    const token = session?.access_token ?? "";
    return {
      stack,
      sql,
      keys,
      said,
      aim: (count, hasTask) => aim({ stack, sql, token }, count, hasTask),
      residentBytes: () => residentBytes(folder.path),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** So that a run needs no waiting for turns, and one user is enough. */
async function raiseLimits(sql: postgres.Sql): Promise<void> {
  await sql`update genflow.settings set user_running_cap = 1000, user_pending_cap = 100000, user_start_burst = 100000,
    user_starts_per_minute = 100000, sign_up_grant_credits = 1000000, breaker_failure_threshold = 1000 where singleton`;
  await sql`update genflow.provider set running_cap = 1000000, start_burst = 100000, starts_per_minute = 100000,
    start_tokens = 100000 where singleton`;
}

async function control({ wavespeedUrl }: Stack, settings: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${wavespeedUrl}/control`, { method: "POST", body: JSON.stringify(settings) });
  if (!response.ok) throw new Error(`control answered ${response.status}`);
  await response.body?.cancel();
}

async function aim(
  { stack, sql, token }: { stack: Stack; sql: postgres.Sql; token: string },
  count: number,
  hasTask: boolean,
): Promise<Aimed[]> {
  // What was settled before may have told of a provider without credits.
  await sql`update genflow.provider set paused_until = null, paused_class = null, consecutive_failures = 0,
    breaker_open_until = null where singleton`;
  await control(stack, { dropSubmitAnswers: !hasTask });
  const ids: string[] = [];
  while (ids.length < count) {
    const some = Math.min(starting, count - ids.length);
    ids.push(...await Promise.all(Array.from({ length: some }, () => start(stack, token))));
  }
  const targets = await submitted(sql, ids, hasTask);
  await control(stack, { dropSubmitAnswers: false });
  return targets;
}

async function start(stack: Stack, token: string): Promise<string> {
  const response = await fetch(`${stack.url}/functions/v1/start-generation`, {
    method: "POST",
    headers: {
      apikey: stack.publishableKey,
      authorization: `Bearer ${token}`,
      "idempotency-key": randomUUID(),
    },
    body: JSON.stringify({ modelId: "flux-schnell", prompt: "a red fox in the snow", aspectRatio: "1:1" }),
  });
  const answer = await response.json() as { job?: { id: string } };
  if (answer.job === undefined) {
    throw new Error(`start answered ${response.status} ${JSON.stringify(answer)}`);
  }
  return answer.job.id;
}

/** Once the provider has answered each submit, or has cut it off. */
async function submitted(sql: postgres.Sql, jobIds: string[], hasTask: boolean): Promise<Aimed[]> {
  const deadline = Date.now() + submitMs;
  for (;;) {
    const rows = await sql<{ id: string; job_id: string; task_id: string | null }[]>`
      select id, job_id, task_id from genflow.attempts
      where job_id = any (${jobIds}) and submission = ${hasTask ? "accepted" : "unknown"}`;
    if (rows.length === jobIds.length) {
      return rows.map(({ id, job_id, task_id }) => ({
        attemptId: id,
        jobId: job_id,
        taskId: task_id ?? randomBytes(16).toString("hex"),
        hasTask,
      }));
    }
    if (Date.now() > deadline) {
      const states =
        await sql`select submission, submission_class from genflow.attempts where job_id = any (${jobIds})`;
      throw new Error(`${rows.length} of ${jobIds.length} jobs were submitted: ${JSON.stringify(states)}`);
    }
    await delay(pollMs);
  }
}

async function residentBytes(dataDirectory: string): Promise<number> {
  const { children } = JSON.parse(await readFile(join(dataDirectory, "stack.json"), "utf8")) as {
    children: { pid: number }[];
  };
  let bytes = 0;
  for (const { pid } of children) {
    const ended = () => ""; // it ended meanwhile
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(ended);
    if (!command.includes("wavespeed-webhook")) continue;
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(ended);
    bytes += Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return bytes;
}
