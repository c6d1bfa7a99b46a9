// An app in a test: what a phone would do, with supabase-js and nothing else.

import { randomUUID } from "node:crypto";
import type { SupabaseClient } from "@supabase/supabase-js";
import { inject, vi } from "vitest";
import {
  changeEvent,
  ChangeMessage,
  changeTopic,
  type GenerationJob,
  type GenerationStatus,
  hasEnded,
  jobFromRow,
} from "../../shared/contract/mod.ts";
import { changeMs } from "./patience.ts";
import { request } from "./request.ts";
import { newUser, type Target } from "./users.ts";

export { request } from "./request.ts";

/** The stack that global-setup.ts provides. */
export function sharedStack(): Target {
  return {
    url: inject("stackUrl"),
    publishableKey: inject("publishableKey"),
    secretKey: inject("secretKey"),
    external: inject("external"),
  };
}

export interface App {
  target: Target;
  client: SupabaseClient;
  userId: string;
  token: string;
  /** Every pushed change since joined, in the order of arrival. */
  changes: ChangeMessage[];
  /** Resolves as soon as `holds` does for the changes so far. */
  pushed(holds: () => boolean, what: string): Promise<void>;
  /** Like `pushed`, and once reading shows what was pushed. */
  until(holds: () => boolean, what: string): Promise<void>;
  close(): Promise<void>;
}

export async function openApp(target: Target): Promise<App> {
  const client = await newUser(target);
  const { data: { session } } = await client.auth.getSession();
  if (!session) throw new Error("no session");
  const userId = session.user.id;
  const token = session.access_token;
  const changes: ChangeMessage[] = [];
  const waiting = new Set<() => void>();
  await client.realtime.setAuth(token);
  const channel = client.channel(changeTopic(userId), {
    config: { private: true, broadcast: { replication_ready: true } },
  });
  channel.on("broadcast", { event: changeEvent }, ({ payload }) => {
    changes.push(ChangeMessage.parse(payload));
    for (const look of waiting) look();
  });
  await new Promise<void>((resolve, reject) => {
    // Joined is not enough: what the database sends before its replication runs is lost.
    channel.on("system", {}, ({ extension, status, message }) => {
      if (extension !== "system") return;
      if (status === "ok") resolve();
      else reject(new Error(message));
    });
    channel.subscribe((status, cause) => {
      if (status !== "SUBSCRIBED" && status !== "CLOSED") reject(cause ?? new Error(status));
    });
  });
  const pushed = (holds: () => boolean, what: string) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(look);
        reject(
          new Error(
            `Waited in vain until ${what}; saw ${
              JSON.stringify(changes.map(({ seq, jobs }) => [seq, jobs[0]?.status]))
            }`,
          ),
        );
      }, changeMs);
      const look = () => {
        if (!holds()) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return {
    target,
    client,
    userId,
    token,
    changes,
    pushed,
    async until(holds, what) {
      await pushed(holds, what);
      const last = changes.at(-1)?.seq ?? 0;
      // Pushes are read from the write-ahead log: on a busy machine they can come before other sessions see the commit.
      await vi.waitFor(async () => {
        const { data, error } = await client.rpc("my_account");
        if (error) throw error;
        if (data.seq < last) throw new Error(`change ${last} was pushed, reading shows ${data.seq}`);
      }, { timeout: changeMs });
    },
    async close() {
      await client.removeAllChannels();
      await client.auth.stopAutoRefresh();
    },
  };
}

export interface Answer {
  status: number;
  body: Record<string, unknown> & { job?: GenerationJob };
  headers: Headers;
}

/** A raw call of a function, so that status and body can be looked at. */
export async function call(
  app: App,
  name: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${app.target.url}/functions/v1/${name}`, {
    method: "POST",
    headers: {
      apikey: app.target.publishableKey,
      authorization: `Bearer ${app.token}`,
      "content-type": "application/json",
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

export function tap(app: App, body: unknown = request, key: string = randomUUID()): Promise<Answer> {
  return call(app, "start-generation", body, { "idempotency-key": key });
}

/** Starts a job and answers its id. */
export async function startJob(app: App, body: unknown = request): Promise<string> {
  const { status, body: answer } = await tap(app, body);
  if (status !== 202 || answer.job === undefined) {
    throw new Error(`start answered ${status} ${JSON.stringify(answer)}`);
  }
  return answer.job.id;
}

/** The newest state of the job that was pushed. */
export function pushedJob(app: App, jobId: string): GenerationJob | undefined {
  return app.changes.flatMap(({ jobs }) => jobs).filter(({ id }) => id === jobId).at(-1);
}

export async function untilStatus(
  app: App,
  jobId: string,
  ...statuses: GenerationStatus[]
): Promise<GenerationJob> {
  await app.until(() => {
    const job = pushedJob(app, jobId);
    return job !== undefined && statuses.includes(job.status);
  }, `job is ${statuses.join(" or ")}`);
  const job = pushedJob(app, jobId);
  if (job === undefined) throw new Error("unreachable");
  return job;
}

export async function untilEnded(app: App, jobId: string): Promise<GenerationJob> {
  await app.until(() => {
    const job = pushedJob(app, jobId);
    return job !== undefined && hasEnded(job);
  }, "the job has ended");
  return await readJob(app, jobId);
}

export async function readJob({ client }: App, jobId: string): Promise<GenerationJob> {
  const { data, error } = await client.from("generation_jobs").select().eq("id", jobId).single();
  if (error) throw error;
  return jobFromRow(data);
}

export async function balance({ client }: App): Promise<number> {
  const { data, error } = await client.rpc("my_account");
  if (error) throw error;
  return data.balance;
}

/** The job's ledger entries, oldest first. */
export async function ledger(
  { client }: App,
  jobId: string,
): Promise<{ kind: string; amount: number; captured: number | null }[]> {
  const { data, error } = await client.from("credit_entries").select("kind, amount, captured").eq(
    "job_id",
    jobId,
  ).order("id");
  if (error) throw error;
  return data;
}
