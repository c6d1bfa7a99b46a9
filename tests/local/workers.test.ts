/**
 * pg_net and pg_cron: the SQL side and the workers together, on a real Postgres, against a real HTTP server. What of
 * them differs elsewhere is in tests/traps/background*.test.ts.
 */
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startCronWorker, startNetWorker } from "../../supabase/local/workers/mod.ts";
import { parseSchedule } from "../../supabase/local/workers/schedule.ts";
import {
  expectNoOtherSession,
  startWebServer,
  startWorkerCluster,
  type WebServer,
  type WorkerCluster,
} from "./worker-cluster.ts";

let database: WorkerCluster;
let sql: postgres.Sql;
let web: WebServer;

beforeAll(async () => {
  [database, web] = await Promise.all([startWorkerCluster(), startWebServer()]);
  sql = database.sql;
});
afterAll(async () => {
  await database?.stop();
  web?.stop();
});

test("pg_net needs no call to notice a request", async () => {
  const worker = await startNetWorker({ adminUrl: database.cluster.adminUrl });
  await worker.idle(); // its first look is over
  await sql`select net.http_delete(${`${web.url}/noticed`})`;
  await vi.waitFor(() => expect(web.received).toEqual(["DELETE /noticed"]));
  await worker.stop();
});

describe("pg_cron", () => {
  beforeEach(async () => {
    await sql`select cron.unschedule(jobid) from cron.job`;
    await sql`truncate cron.job_run_details, public.log`;
  });

  test("runs a procedure that commits, as the job's user, and writes down how it ended", async () => {
    const worker = await startCronWorker({ adminUrl: database.cluster.adminUrl });
    worker.pause();
    await sql`select cron.schedule('tick', '* * * * *', 'call public.tick()')`;
    await expect(worker.runNow("tick")).rejects.toThrow("division by zero");
    expect(await sql`select * from public.log`).toEqual([{ step: "first", by: "postgres" }]);
    expect(
      await sql`select jobid, status, return_message, job_pid > 0 as pid, username, command, end_time >= start_time as timed
      from cron.job_run_details`,
    ).toEqual([{
      jobid: expect.any(String),
      status: "failed",
      return_message: "ERROR:  division by zero",
      pid: true,
      username: "postgres",
      command: "call public.tick()",
      timed: true,
    }]);
    await expect(worker.runNow("nobody")).rejects.toThrow('There is no cron job "nobody"');
    await worker.stop();
  });

  test("stops at once with a job running, and leaves neither session nor a run that reads 'running'", async () => {
    const worker = await startCronWorker({ adminUrl: database.cluster.adminUrl });
    await sql`select cron.schedule('long', '1 second', 'select pg_sleep(600)')`;
    const status = async () => (await sql`select status from cron.job_run_details`).map((run) => run.status);
    await vi.waitFor(async () => expect(await status()).toEqual(["running"]), 5_000);
    await worker.stop();
    expect(await status()).toEqual(["failed"]);
    await expectNoOtherSession(sql);
  });

  test("calls a run that a killed stack left open failed", async () => {
    await sql`insert into cron.job_run_details (jobid, status) values (1, 'running')`;
    const worker = await startCronWorker({ adminUrl: database.cluster.adminUrl });
    expect(await sql`select status, return_message from cron.job_run_details`)
      .toEqual([{ status: "failed", return_message: "server restarted" }]);
    await worker.stop();
  });

  test.each([
    ["* * * * *", "2026-02-28T12:34:00Z", true],
    ["*/15 * * * *", "2026-02-28T12:45:00Z", true],
    ["*/15 * * * *", "2026-02-28T12:46:00Z", false],
    ["5,10-12 0-6/3 * * *", "2026-02-28T06:11:00Z", true],
    ["5,10-12 0-6/3 * * *", "2026-02-28T05:11:00Z", false],
    ["0 0 $ * *", "2026-02-28T00:00:00Z", true],
    ["0 0 $ * *", "2028-02-28T00:00:00Z", false],
    ["0 0 * feb sat", "2026-02-28T00:00:00Z", true],
    ["0 0 * * 7", "2026-03-01T00:00:00Z", true],
    ["0 0 13 * fri", "2026-02-27T00:00:00Z", true], // either day is enough when both are restricted
    ["0 0 13 * fri", "2026-02-28T00:00:00Z", false],
    ["@daily", "2026-02-28T00:00:00Z", true],
    ["@hourly", "2026-02-28T07:30:00Z", false],
  ])("takes '%s' at %s for due: %s", async (schedule, time, due) => {
    await sql`select cron.schedule('accepted', ${schedule}, 'select 1')`;
    const parsed = parseSchedule(schedule);
    expect(parsed.kind === "fields" && parsed.matches(new Date(time))).toBe(due);
  });
});
