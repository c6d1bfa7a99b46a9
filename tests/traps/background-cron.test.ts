// pg_cron: who may write its jobs, when they run, what is left of a run. The clock is the test's; all else is real.

import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { type CronClock, type CronWorker, startCronWorker } from "../../supabase/local/workers/mod.ts";
import { startWorkerCluster, type WorkerCluster } from "../local/worker-cluster.ts";

const seconds = 1000;
const minutes = 60 * seconds;

let database: WorkerCluster;
let sql: postgres.Sql;
let admin: postgres.Sql;

beforeAll(async () => {
  database = await startWorkerCluster();
  sql = database.sql;
  admin = postgres(database.cluster.adminUrl, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await admin?.end();
  await database?.stop();
});
beforeEach(async () => {
  await admin`delete from cron.job`;
  await sql`truncate cron.job_run_details, public.log`;
});

describe("what SQL may do", () => {
  test.each([
    ["select cron.unschedule('nobody')", "XX000", "could not find valid entry for job 'nobody'"],
    ["select cron.unschedule(4711)", "XX000", "could not find valid entry for job 4711"],
    [
      "insert into cron.job (schedule, command) values ('* * * * *', 'select 1')",
      "42501",
      "permission denied",
    ],
    ["update cron.job set active = false", "42501", "permission denied"],
    ["delete from cron.job where jobname = 'kept'", "42501", "permission denied"],
    ["select cron.schedule('x', '0 seconds', 'select 1')", "P0001", "invalid schedule"],
    ["select cron.schedule('x', '60 seconds', 'select 1')", "P0001", "invalid schedule"],
    ["select cron.schedule('x', '1 minute', 'select 1')", "P0001", "invalid schedule"],
    ["select cron.schedule('x', '* * * * * 30 seconds', 'select 1')", "P0001", "invalid schedule"],
    [
      "select cron.schedule_in_database('x', '* * * * *', 'select 1', 'postgres', 'postgres')",
      "XX000",
      "must be superuser to create a job for another role",
    ],
    [
      "select cron.schedule_in_database('x', '* * * * *', 'select 1', 'nowhere')",
      "3D000",
      'database "nowhere" does not exist',
    ],
  ])("trap 23: postgres is refused %s", async (statement, code, message) => {
    await sql`select cron.schedule('kept', '* * * * *', 'select 1')`;
    await expect(sql.unsafe(statement)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(await sql`select jobname, active from cron.job`).toEqual([{ jobname: "kept", active: true }]);
  });

  test.each(["1 second", "59 seconds", "*/5 * * * *", "0 0 $ * *"])(
    "trap 23: '%s' is a schedule",
    async (one) => {
      await sql`select cron.schedule('accepted', ${one}, 'select 1')`;
      expect(await sql`select schedule from cron.job`).toEqual([{ schedule: one }]);
    },
  );

  test("trap 23: scheduling a name again changes the job and does not wake one that was put to sleep", async () => {
    const [first] = await sql`select cron.schedule('nightly', '0 1 * * *', 'select 1') as id`;
    await sql`select cron.alter_job(${first?.["id"]}, active => false)`;
    const [second] = await sql`select cron.schedule('nightly', '0 2 * * *', 'select 2') as id`;
    expect(second).toEqual(first);
    expect(await sql`select schedule, command, active from cron.job`)
      .toEqual([{ schedule: "0 2 * * *", command: "select 2", active: false }]);
  });

  test("trap 23: the extension lives in the database postgres and in no other", async () => {
    await admin`create database other_project`;
    const other = postgres(database.cluster.url("supabase_admin", "other_project"), { max: 1 });
    try {
      await expect(other`create extension pg_cron with schema pg_catalog`)
        .rejects.toThrow("can only create extension in database postgres");
    } finally {
      await other.end();
      await admin`drop database other_project`;
    }
  });

  test("trap 23: a role sees its own jobs and runs only, whatever it was granted", async () => {
    await sql`create role clerk`;
    await sql`grant usage on schema cron to clerk`;
    await sql`grant select on cron.job, cron.job_run_details to clerk`;
    await sql`grant clerk to postgres with set true`;
    await sql`select cron.schedule('of postgres', '* * * * *', 'select 1')`;
    await admin`insert into cron.job (schedule, command, username, jobname)
      values ('* * * * *', 'select 1', 'clerk', 'of the clerk')`;
    await admin`insert into cron.job_run_details (jobid, username) values (1, 'clerk'), (2, 'postgres')`;
    const seen = await sql.begin(async (transaction) => {
      await transaction`set local role clerk`;
      return {
        jobs: await transaction`select jobname from cron.job`,
        runs: await transaction`select username from cron.job_run_details`,
      };
    });
    expect(seen).toEqual({ jobs: [{ jobname: "of the clerk" }], runs: [{ username: "clerk" }] });
  });
});

describe("when it runs", () => {
  let clock: TestClock;
  let worker: CronWorker;
  let hold: postgres.ReservedSql;

  /** Takes the lock that `blocked` jobs wait for. */
  beforeEach(async () => {
    clock = new TestClock(Date.parse("2026-03-01T11:59:00Z"));
    worker = await startCronWorker({ adminUrl: database.cluster.adminUrl, clock });
    hold = await sql.reserve();
    await hold`select pg_advisory_lock(1)`;
    return async () => {
      await hold`select pg_advisory_unlock_all()`;
      hold.release();
      await worker.stop();
    };
  });
  const blocked = "select pg_advisory_xact_lock(1)";
  /** Also waits until the worker knows the job. */
  const schedule = async (name: string, when: string, command: string) => {
    const before = clock.timersSet;
    await sql`select cron.schedule(${name}, ${when}, ${command})`;
    await vi.waitFor(() => expect(clock.timersSet).toBeGreaterThan(before));
  };
  const runs = async (name: string) =>
    (await sql`select status from cron.job_run_details join cron.job using (jobid) where jobname = ${name}
      order by runid`).map((run) => run["status"]);
  /** What was started before this is written down after it. */
  const settled = async () => {
    await sql`select cron.schedule('marker', '0 0 1 1 *', 'select 1')`;
    await worker.runNow("marker");
  };

  test("trap 23: noon is noon in GMT, wherever the machine and whatever the database's time zone", async () => {
    vi.stubEnv("TZ", "America/New_York");
    try {
      expect(new Date(clock.nowMs()).getHours()).toBe(6);
      await schedule("noon", "0 12 * * *", "select 1");
      await schedule("seven", "0 7 * * *", "select 1");
      clock.advance(1 * minutes);
      await settled();
      expect(await runs("noon")).toHaveLength(1);
      expect(await runs("seven")).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("trap 23: one run of a job at a time; the minutes that it misses are run afterwards, one by one", async () => {
    await schedule("each minute", "* * * * *", blocked);
    await schedule("other", "* * * * *", "select 1");
    clock.advance(3 * minutes);
    await vi.waitFor(async () =>
      expect(await runs("other")).toEqual(["succeeded", "succeeded", "succeeded"])
    );
    expect(await runs("each minute")).toEqual(["running"]);
    await hold`select pg_advisory_unlock(1)`;
    await vi.waitFor(async () =>
      expect(await runs("each minute")).toEqual(["succeeded", "succeeded", "succeeded"])
    );
    await settled();
    expect(await runs("each minute")).toHaveLength(3);
    const [overlap] = await sql`
      select count(*)::integer as runs from cron.job_run_details a join cron.job_run_details b using (jobid)
      where a.runid < b.runid and a.end_time > b.start_time`;
    expect(overlap).toEqual({ runs: 0 });
  });

  test("trap 23: an interval that passes again and again waits once, and counts from the last start", async () => {
    await schedule("each ten", "10 seconds", blocked);
    clock.advance(9 * seconds);
    await settled();
    expect(await runs("each ten")).toEqual([]);
    clock.advance(35 * seconds);
    await vi.waitFor(async () => expect(await runs("each ten")).toEqual(["running"]));
    await hold`select pg_advisory_unlock(1)`;
    await vi.waitFor(async () => expect(await runs("each ten")).toEqual(["succeeded", "succeeded"]));
    clock.advance(9 * seconds); // 53 s: the fixed grid's 50 s is over, ten seconds since the last start are not
    await settled();
    expect(await runs("each ten")).toHaveLength(2);
    clock.advance(1 * seconds);
    await vi.waitFor(async () => expect(await runs("each ten")).toHaveLength(3));
  });

  test("trap 23: a job is nobody: auth.uid() is null, and the role is the one that scheduled it", async () => {
    await schedule(
      "who",
      "* * * * *",
      "insert into log (step) values (coalesce(auth.uid()::text, 'nobody'))",
    );
    clock.advance(1 * minutes);
    await vi.waitFor(async () => expect(await runs("who")).toEqual(["succeeded"]));
    expect(await sql`select step, by from public.log`).toEqual([{ step: "nobody", by: "postgres" }]);
  });

  test("trap 23: a job may run in another database of the server", async () => {
    await admin`create database archive owner postgres`;
    const archive = postgres(database.cluster.url("postgres", "archive"), { max: 1 });
    try {
      const command = "create table public.seen as select current_database() as name";
      await sql`select cron.schedule_in_database('there', '* * * * *', ${command}, 'archive')`;
      await worker.runNow("there");
      expect(await archive`select name from public.seen`).toEqual([{ name: "archive" }]);
      expect(await sql`select database, status from cron.job_run_details`)
        .toEqual([{ database: "archive", status: "succeeded" }]);
    } finally {
      await archive.end();
      await admin`drop database archive with (force)`;
    }
  });

  test("trap 23: a run that gets no session has neither start nor end, and nothing ever removes a run", async () => {
    await sql`insert into cron.job_run_details (jobid, username, status, start_time, end_time)
      values (0, 'postgres', 'succeeded', now() - interval '10 years', now() - interval '10 years')`;
    await admin`create database closed`;
    await sql`select cron.schedule_in_database('nowhere', '* * * * *', 'select 1', 'closed')`;
    await admin`drop database closed`;
    await expect(worker.runNow("nowhere")).rejects.toThrow("connection failed");
    expect(
      await sql`select status, return_message, start_time is null and end_time is null as timeless
      from cron.job_run_details order by runid`,
    ).toEqual([
      { status: "succeeded", return_message: null, timeless: false },
      { status: "failed", return_message: "connection failed", timeless: true },
    ]);
  });
});

describe("on the migrated project", () => {
  test("trap 23: the sweep removes old runs, those without a time too, and keeps the young", async () => {
    const project = postgres(inject("trapsStack").databaseUrl, { max: 1, onnotice: () => {} });
    const undo = new Error("undo");
    const sweeping = project.begin(async (transaction) => {
      await transaction`insert into cron.job_run_details (jobid, runid, username, status, start_time, end_time)
        select 0, runid, 'postgres', 'failed', now() - began, now() - ended
        from (values (-5, interval '9 days', interval '9 days'), (-4, null, null), (-3, interval '8 days', null),
          (-2, interval '1 hour', null), (-1, null, null)) as run (runid, began, ended)`;
      await transaction`select genflow.prune()`;
      expect(await transaction`select runid from cron.job_run_details where runid < 0 order by 1`)
        .toEqual([{ runid: "-2" }, { runid: "-1" }]);
      throw undo;
    });
    await expect(sweeping.finally(() => project.end())).rejects.toBe(undo);
  });
});

/** Stands still until it is advanced; then each timer is called at its time. */
class TestClock implements CronClock {
  timersSet = 0;
  #nowMs: number;
  #timers = new Set<{ atMs: number; run: () => void }>();

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(run: () => void, delayMs: number): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    this.timersSet += 1;
    return () => this.#timers.delete(timer);
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (!next || next.atMs > untilMs) break;
      this.#timers.delete(next);
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = untilMs;
  }
}
