// The sweep as a real pg_cron runs it: in a background worker of the server, by its schedule, with nobody connected.
// Run by `npm run test:pg-cron`, which installs the packages first; it waits for the next full minute.

import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Claim, createKernel, type Kernel } from "../../shared/backend/kernel.ts";
import type { Cluster } from "../../supabase/local/postgres/mod.ts";
import { type TemporaryFolder, temporaryFolder } from "../temporary-folder.ts";
import { startDebianCluster } from "./debian-cluster.ts";
import { installDebianPackages } from "./debian-packages.ts";

const seconds = 1000;
const minutes = 60 * seconds;
/** A minute until the tick, and a busy machine's delay. */
const tickDeadline = 75 * seconds;

const [ancientRun, recentRun] = [-2, -1];

let folder: TemporaryFolder;
let cluster: Cluster;
let sql: postgres.Sql;
/** Its worker was lost after it had sent, two hours ago. */
let stale: Claim;
/** Its worker was lost before it sent. */
let unsent: Claim;

interface Run {
  runid: string;
  job_pid: number;
  username: string;
  command: string;
  status: string;
  return_message: string;
}

beforeAll(async () => {
  const impediment = await installDebianPackages();
  if (impediment !== null) throw new Error(impediment);
  folder = await temporaryFolder();
  cluster = await startDebianCluster(folder.path);
  sql = postgres(cluster.adminUrl, { max: 2, onnotice: () => {} });
  await prepare();
}, 3 * minutes);

afterAll(async () => {
  await sql?.end();
  await cluster?.stop();
  await folder?.remove();
});

test("the sweep is scheduled each minute, by the migrations' own role", async () => {
  expect(await sql`select jobname, schedule, command, username, database, active from cron.job`).toEqual([{
    jobname: "genflow-sweep",
    schedule: "* * * * *",
    command: "call genflow.sweep()",
    username: "postgres",
    database: "postgres",
    active: true,
  }]);
});

test("this pg_cron knows no seconds, so the migration was right to choose minutes", async () => {
  const asPostgres = postgres(cluster.databaseUrl, { max: 1 });
  const scheduling = asPostgres`select cron.schedule('seconds', '10 seconds', 'select 1')`;
  await expect(scheduling.finally(() => asPostgres.end())).rejects.toThrow(/invalid schedule/);
});

test(
  "pg_cron starts the sweep by itself, and a step's work is committed while the sweep still runs",
  async () => {
    const holder = await sql.reserve();
    let run: Run;
    await expect.poll(isBetweenTicks, { timeout: tickDeadline, interval: 100 }).toBe(true);
    try {
      // The sweep's last steps wait for this table.
      await holder`begin`;
      await holder`lock table genflow.sweeps in share mode`;
      await letTimePass();
      await expect.poll(statuses, { timeout: tickDeadline, interval: 100 }).toEqual({
        stale: "failed",
        unsent: "queued",
      });
      run = await theRun("running");
      expect(run).toMatchObject({ username: "postgres", command: "call genflow.sweep()" });
      expect(await backendType(run.job_pid)).toBe("pg_cron");
    } finally {
      await holder`rollback`;
      holder.release();
    }
    await expect.poll(() => runs("succeeded"), { timeout: 10 * seconds, interval: 50 }).toEqual(
      expect.arrayContaining([expect.objectContaining({ runid: run.runid, return_message: "CALL" })]),
    );
    expect(await runs("failed")).toEqual([]);
    expect(await sql`select kind, errors from genflow.sweeps order by started_at limit 1`).toEqual([
      { kind: "sql", errors: 0 },
    ]);
  },
  2 * tickDeadline,
);

test("it ended the stale job: given up, its attempt closed, its credits back", async () => {
  expect(await job(stale.jobId)).toMatchObject({
    status: "failed",
    error_code: "submit_unknown",
    retryable: true,
    credits_captured: 0,
  });
  expect(await attempt(stale.attemptId)).toMatchObject({ submission_class: "lost", closed_how: "abandoned" });
  expect(
    await sql`select amount, captured from public.credit_entries
    where job_id = ${stale.jobId} and kind = 'close'`,
  ).toEqual([{ amount: 1, captured: 0 }]);
});

test("it queued the other job again, one attempt burnt, its credits still held", async () => {
  expect(await job(unsent.jobId)).toMatchObject({ status: "queued", attempts: 1, error_code: null });
  expect(await attempt(unsent.attemptId)).toMatchObject({ sent_at: null, closed_how: "never_sent" });
  expect(await sql`select kind from public.credit_entries where job_id = ${unsent.jobId}`).toEqual([
    { kind: "reserve" },
  ]);
});

test("it pruned pg_cron's own history, and left what is young", async () => {
  const history = await sql<{ runid: string }[]>`select runid from cron.job_run_details`;
  const ids = history.map(({ runid }) => Number(runid));
  expect(ids).not.toContain(ancientRun);
  expect(ids).toContain(recentRun);
});

async function prepare(): Promise<void> {
  await sql`insert into cron.job_run_details (jobid, runid, username, status, end_time)
    select 0, runid, 'postgres', 'succeeded', now() - age
    from (values (${ancientRun}::bigint, interval '1 year'), (${recentRun}, '1 hour')) as old (runid, age)`;
  const userId = randomUUID();
  await sql`insert into auth.users (id, email, email_confirmed_at)
    values (${userId}, ${`${userId}@example.com`}, now())`;

  const kernel = createKernel(callKernel);
  [stale, unsent] = [await startAndClaim(kernel, userId), await startAndClaim(kernel, userId)];
  const { attemptId, leaseToken } = stale;
  const mark = await kernel.markSending(attemptId, leaseToken, randomUUID(), "a".repeat(64));
  if (!mark.go) throw new Error(`no go: ${mark.reason}`);
}

/** Both in one statement, so that one tick sees both. */
async function letTimePass(): Promise<void> {
  await sql`update genflow.attempts set
      lease_expires_at = now() - interval '2 hours',
      sent_at = case when sent_at is not null then now() - interval '2 hours' end
    where id in (${stale.attemptId}, ${unsent.attemptId})`;
}

/** The next sweep is seconds away and the last one is over, so that none sees half of what a test prepares. */
async function isBetweenTicks(): Promise<boolean> {
  const [row] = await sql<{ calm: boolean }[]>`
    select extract(second from clock_timestamp()) between 1 and 55
      and not exists (select from cron.job_run_details where status not in ('succeeded', 'failed')) as calm`;
  return row?.calm ?? false;
}

async function startAndClaim(kernel: Kernel, userId: string): Promise<Claim> {
  const started = await kernel.start({
    userId,
    idempotencyKey: randomUUID(),
    requestHash: "a".repeat(64),
    request: { modelId: "flux-schnell", prompt: "an otter reading a newspaper", aspectRatio: "1:1" },
    traceId: randomUUID(),
  });
  if (!started.ok) throw new Error(`refused: ${started.error.code}`);
  const { claims: [claim] } = await kernel.claimGenerations(randomUUID(), 1);
  if (claim?.jobId !== started.job.id) throw new Error("not claimed");
  return claim;
}

/** As the API does: the role in a transaction, named arguments. */
async function callKernel(name: string, args: Record<string, unknown>): Promise<unknown> {
  const names = Object.keys(args);
  const rows = await sql.begin(async (transaction) => {
    await transaction`set local role service_role`;
    return await transaction.unsafe<{ answer: unknown }[]>(
      `select public.${name}(${names.map((each, at) => `${each} => $${at + 1}`).join(", ")}) as answer`,
      names.map((each) => args[each] as string),
    );
  });
  return rows[0]?.answer;
}

async function statuses(): Promise<Record<string, unknown>> {
  const [first, second] = [await job(stale.jobId), await job(unsent.jobId)];
  return { stale: first?.["status"], unsent: second?.["status"] };
}

async function job(id: string): Promise<postgres.Row | undefined> {
  const [row] = await sql`
    select status, error_code, retryable, credits_captured, attempts from public.generation_jobs where id = ${id}`;
  return row;
}

async function attempt(id: string): Promise<postgres.Row | undefined> {
  const [row] = await sql`
    select sent_at, submission_class, closed_how from genflow.attempts where id = ${id}`;
  return row;
}

/** Those of the sweep. */
function runs(status: string): Promise<Run[]> {
  return sql<Run[]>`
    select runid, job_pid, d.username, d.command, status, return_message
    from cron.job_run_details d join cron.job using (jobid)
    where jobname = 'genflow-sweep' and status = ${status} order by runid`;
}

async function theRun(status: string): Promise<Run> {
  const [run, ...more] = await runs(status);
  if (run === undefined || more.length > 0) {
    throw new Error(`${run ? "several runs are" : "no run is"} ${status}`);
  }
  return run;
}

async function backendType(pid: number): Promise<string | undefined> {
  const [row] = await sql<{ type: string }[]>`
    select backend_type as type from pg_stat_activity where pid = ${pid}`;
  return row?.type;
}
