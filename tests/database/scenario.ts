// The steps of a job's life, so that a test can begin in the middle of one.

import { randomUUID } from "node:crypto";
import type { JSONValue } from "postgres";
import { expect } from "vitest";
import type { Claim, Kernel, Persist, SubmissionOutcome } from "../../shared/backend/kernel.ts";
import type { Row, TestDatabase } from "./database.ts";
import { noteStored } from "./stored-object.ts";

const pictureBytes = 4096;
export const prompt = "an otter reading a newspaper in the rain";

export interface Sent {
  jobId: string;
  attemptId: string;
  sendId: string;
  claim: Claim;
}
export interface Running extends Sent {
  taskId: string;
}

export function startArguments(userId: string, more: Row = {}): Parameters<Kernel["start"]>[0] {
  return {
    userId,
    idempotencyKey: randomUUID(),
    requestHash: "a".repeat(64),
    request: { modelId: "flux-schnell", prompt, aspectRatio: "1:1", ...more },
    traceId: randomUUID(),
  };
}

export function createScenario(database: TestDatabase) {
  const { kernel, sql } = database;

  async function one(rows: Promise<Row[]>): Promise<Row> {
    const [row] = await rows;
    if (row === undefined) throw new Error("no such row");
    return row;
  }

  const steps = {
    job: (id: string) => one(sql`select * from public.generation_jobs where id = ${id}`),
    attempt: (id: string) => one(sql`select * from genflow.attempts where id = ${id}`),
    providerRow: () => one(sql`select * from genflow.provider`),
    async balance(userId: string): Promise<number> {
      const [row] = await sql`
        select a.balance, (select coalesce(sum(amount), 0)::integer from public.credit_entries e where e.user_id = a.user_id) as entries
        from genflow.accounts a where user_id = ${userId}`;
      expect(row?.["balance"]).toBe(row?.["entries"]);
      return Number(row?.["balance"]);
    },
    /** The closing entries of a job: never more than one. */
    async closings(jobId: string): Promise<{ amount: number; captured: number }[]> {
      return await sql`select amount, captured from public.credit_entries where job_id = ${jobId} and kind = 'close'`;
    },
    async events(jobId: string): Promise<string[]> {
      const rows = await sql<{ event: string }[]>`
        select event from public.generation_events where job_id = ${jobId} order by id`;
      return rows.map((row) => row.event);
    },

    /** A queued job. */
    async start(userId: string, more: Row = {}): Promise<string> {
      const answer = await kernel.start(startArguments(userId, more));
      if (!answer.ok) throw new Error(`refused: ${answer.error.code}`);
      return answer.job.id;
    },
    /** Queued jobs of each of these users, made in one transaction. */
    async fill(userIds: string[], jobsEach: number): Promise<void> {
      const { requestHash, request } = startArguments("");
      await sql`
        select public.start_generation(user_id, gen_random_uuid(), ${requestHash}, ${
        sql.json(request as JSONValue)
      }, 'trace')
        from unnest(${userIds}::uuid[]) user_id, generate_series(1, ${jobsEach})`;
    },
    async claim(limit = 10): Promise<Claim[]> {
      return (await kernel.claimGenerations(randomUUID(), limit)).claims;
    },
    async claimed(userId: string, more: Row = {}): Promise<Claim> {
      const jobId = await steps.start(userId, more);
      const claim = (await steps.claim()).find((each) => each.jobId === jobId);
      if (!claim) throw new Error("not claimed");
      return claim;
    },
    async send(claim: Claim): Promise<Sent> {
      const sendId = randomUUID();
      const mark = await kernel.markSending(claim.attemptId, claim.leaseToken, sendId, tokenHash);
      if (!mark.go) throw new Error(`no go: ${mark.reason}`);
      return { jobId: claim.jobId, attemptId: claim.attemptId, sendId, claim };
    },
    /** A job whose POST is on its way. */
    async sent(userId: string, more: Row = {}): Promise<Sent> {
      return await steps.send(await steps.claimed(userId, more));
    },
    record: (sent: Sent, outcome: SubmissionOutcome) =>
      kernel.recordSubmission(sent.attemptId, sent.sendId, outcome),
    async accept(sent: Sent, taskId: string = randomUUID()): Promise<Running> {
      await steps.record(sent, { kind: "accepted", taskId });
      return { ...sent, taskId };
    },
    /** A job at the provider. */
    async running(userId: string, more: Row = {}): Promise<Running> {
      return await steps.accept(await steps.sent(userId, more));
    },
    deliver: (taskId: string, outputs = 1, attemptId: string | null = null) =>
      kernel.settle(taskId, attemptId, {
        status: "completed",
        outputs: Array.from({ length: outputs }, (_, at) => `https://cdn.example.com/${taskId}/${at}.jpeg`),
        flagged: [],
        class: null,
      }),
    fail: (taskId: string, failureClass: string, attemptId: string | null = null) =>
      kernel.settle(taskId, attemptId, { status: "failed", outputs: [], flagged: [], class: failureClass }),
    /** A job whose pictures are to be stored. */
    async delivered(userId: string, outputs = 1): Promise<Running> {
      const running = await steps.running(userId, { numImages: outputs });
      await steps.deliver(running.taskId, outputs);
      return running;
    },
    async lease(attemptId: string): Promise<Persist> {
      const { claims: [claim] } = await kernel.claimPersists(randomUUID(), 1, attemptId);
      if (!claim) throw new Error("no lease");
      return claim;
    },
    /** Uploads and records a picture; `keptBytes`: what Storage kept of it, null for nothing. */
    async store(
      { attemptId, leaseToken }: Pick<Persist, "attemptId" | "leaseToken">,
      index = 0,
      keptBytes: number | null = pictureBytes,
    ) {
      const [row] = await sql<{ path: string }[]>`
        select genflow.image_path(j.user_id, j.id, ${index}, ${leaseToken}) as path
        from genflow.attempts a join public.generation_jobs j on j.id = a.job_id where a.id = ${attemptId}`;
      if (row !== undefined && keptBytes !== null) await noteStored(sql, row.path, keptBytes);
      return await kernel.recordImage(attemptId, leaseToken, {
        index,
        width: 1024,
        height: 1024,
        bytes: pictureBytes,
        sha256: "0".repeat(64),
        contentType: "image/jpeg",
        flagged: false,
      });
    },
    complete: (
      persist: Pick<Persist, "attemptId" | "leaseToken">,
      failures: { index: number; permanent: boolean }[] = [],
    ) => kernel.complete(persist.attemptId, persist.leaseToken, failures),
    /** A finished job with one picture. */
    async completed(userId: string): Promise<Running> {
      const running = await steps.delivered(userId);
      const persist = await steps.lease(running.attemptId);
      await steps.store(persist);
      await steps.complete(persist);
      return running;
    },
    async purges(jobId: string): Promise<string[]> {
      const rows = await sql<{ path: string }[]>`
        select path from genflow.storage_purges where job_id = ${jobId} order by path`;
      return rows.map((row) => row.path);
    },
  };
  return steps;
}

export const tokenHash = "f".repeat(64);
