import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Kernel } from "../../shared/backend/kernel.ts";
import { ChangeMessage } from "../../shared/contract/mod.ts";
import { openDatabase } from "./database.ts";
import { createScenario, startArguments, tokenHash } from "./scenario.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);

const connections = 16;
const loadMs = 4_000;

interface Known {
  users: string[];
  jobs: { userId: string; jobId: string }[];
  sends: { attemptId: string; sendId: string }[];
  tasks: string[];
}

const pick = <Item>(items: Item[]): Item | undefined => items[Math.floor(Math.random() * items.length)];

/** Each does one thing that a function or the app does, on whatever the others have left behind. */
const deeds: ((kernel: Kernel, known: Known) => Promise<unknown>)[] = [
  async (kernel, known) => {
    const userId = pick(known.users)!;
    const answer = await kernel.start(startArguments(userId, { numImages: 2 }));
    if (answer.ok) known.jobs.push({ userId, jobId: answer.job.id });
  },
  async (kernel, known) => {
    const { claims, skippedUserIds } = await kernel.claimGenerations(randomUUID(), 5);
    await kernel.awaitAccounts(skippedUserIds);
    for (const claim of claims) {
      const sendId = randomUUID();
      const mark = await kernel.markSending(claim.attemptId, claim.leaseToken, sendId, tokenHash);
      if (mark.go) known.sends.push({ attemptId: claim.attemptId, sendId });
    }
  },
  async (kernel, known) => {
    const send = pick(known.sends);
    if (!send) return;
    const taskId = `task-${send.attemptId}`;
    const draw = Math.random();
    if (draw < 0.7) known.tasks.push(taskId);
    await kernel.recordSubmission(
      send.attemptId,
      send.sendId,
      draw < 0.7 ? { kind: "accepted", taskId } : draw < 0.85
        ? {
          kind: "rejected",
          class: pick(["not_sent", "bad_input", "rate_limited"])!,
          retryAfterSeconds: 0.01,
        }
        : { kind: "unknown", cause: "timeout" },
    );
  },
  async (kernel, known) => {
    const taskId = pick(known.tasks);
    if (!taskId) return;
    await kernel.noteCallback(taskId.slice("task-".length), tokenHash);
    await kernel.settle(
      taskId,
      null,
      Math.random() < 0.8
        ? { status: "completed", outputs: ["https://x/0", "https://x/1"], flagged: [], class: null }
        : { status: "failed", outputs: [], flagged: [], class: "provider_error" },
    );
  },
  async (kernel) => {
    const { claims } = await kernel.claimPersists(randomUUID(), 3);
    for (const persist of claims) {
      for (const { index } of persist.images) await createScenario(db).store(persist, index);
      await kernel.complete(persist.attemptId, persist.leaseToken, []);
    }
  },
  async (kernel, known) => {
    const job = pick(known.jobs);
    if (job && Math.random() < 0.3) await kernel.cancel(job.userId, job.jobId);
  },
  async (kernel) => {
    const { polls } = await kernel.claimPolls(randomUUID(), 5);
    for (const poll of polls) {
      await kernel.settle(poll.taskId, null, { status: "processing", outputs: [], flagged: [], class: null });
    }
  },
  (_, known) => db.asUser(pick(known.users)!, (as) => as`select public.my_account()`),
];

async function deadlocks(): Promise<number> {
  const [row] = await sql<{ deadlocks: number }[]>`
    select deadlocks::integer as deadlocks from pg_stat_database where datname = ${db.name}`;
  return row!.deadlocks;
}

test(
  "a concurrent mixed load meets no deadlock and no error, and keeps money, caps, closings and feeds right",
  async () => {
    await db.settings({
      user_running_cap: 4,
      sign_up_grant_credits: 1_000_000,
      first_poll_seconds: 1,
      claim_lease_seconds: 2,
      submit_lease_seconds: 3,
      submit_deadline_seconds: 1,
    });
    await db.provider({ running_cap: 6, start_burst: 100_000, starts_per_minute: 100_000 });
    await db.fixRandom(0.01);
    const known: Known = {
      users: [await db.addUser(), await db.addUser(), await db.addUser()],
      jobs: [],
      sends: [],
      tasks: [],
    };
    const before = await deadlocks();
    const pool = db.pool(connections);
    const until = Date.now() + loadMs;
    const errors: unknown[] = [];
    let done = 0;
    let mostOpen = 0;
    const workers = Array.from({ length: connections - 1 }, async () => {
      while (Date.now() < until) {
        await pick(deeds)!(pool.kernel, known).catch((error: unknown) => errors.push(error));
        done++;
      }
    });
    const sweeper = (async () => {
      while (Date.now() < until) {
        errors.push(...await db.sweep());
        await db.advance(0.5);
        const [row] = await sql<
          { open: number }[]
        >`select count(*)::integer as open from genflow.attempts where closed_at is null and submission is distinct from 'accepted'`;
        mostOpen = Math.max(mostOpen, row!.open);
      }
    })();
    await Promise.all([...workers, sweeper]);
    await pool.end(); // a closed connection has reported its statistics

    expect(errors).toEqual([]);
    expect(done).toBeGreaterThan(connections); // every worker came round, however slow the machine
    expect(mostOpen).toBeLessThanOrEqual(6);
    expect(await deadlocks()).toBe(before);
    for (const userId of known.users) {
      await scenario.balance(userId);
      const seqs = (await db.messages(userId)).map((payload) => ChangeMessage.parse(payload).seq);
      expect(seqs).toEqual(seqs.map((_, at) => at + 1));
    }
    const wrong = await sql`
    select j.id from public.generation_jobs j
    where (select count(*) from public.credit_entries e where e.job_id = j.id and e.kind = 'close')
      <> case when j.credits_captured is null then 0 else 1 end
      or (j.ended_at is not null and j.credits_captured is null
        and not exists (select from genflow.attempts a where a.job_id = j.id and a.closed_at is null))`;
    expect(wrong).toEqual([]);
    const ended =
      await sql`select status, count(*)::integer as jobs from public.generation_jobs group by status`;
    expect(ended.length).toBeGreaterThan(3);
  },
  30_000,
);
