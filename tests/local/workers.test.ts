/** pg_net and pg_cron: the SQL side and the workers together, on a real Postgres, against a real HTTP server. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Cluster, migrate, preparePlatform, startCluster } from "../../supabase/local/postgres/mod.ts";
import { startCronWorker, startNetWorker } from "../../supabase/local/workers/mod.ts";
import { parseSchedule } from "../../supabase/local/workers/schedule.ts";
import { type TemporaryFolder, temporaryFolder } from "../temporary-folder.ts";

let folder: TemporaryFolder;
let cluster: Cluster;
let sql: postgres.Sql;
let server: Server;
let baseUrl: string;
const received: string[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  const scratch = folder.path;
  await writeFile(
    join(scratch, "20260101000000_jobs.sql"),
    `create extension pg_cron with schema pg_catalog;
     create extension pg_net;
     create table public.log (step text, by text default current_user);
     create procedure public.tick() language plpgsql as $$
     begin insert into log values ('first'); commit; insert into log values ('second'); perform 1 / 0; end $$;`,
  );
  cluster = await startCluster({ dataDirectory: join(scratch, "data") });
  await preparePlatform(cluster);
  await migrate(cluster, { directory: scratch });
  sql = postgres(cluster.databaseUrl, { max: 3, onnotice: () => {} });
  // /silent never answers; /echo gives back what it got.
  server = createServer(async (request, response) => {
    received.push(`${request.method} ${request.url}`);
    const chunks = await request.toArray();
    if (request.url === "/silent") return;
    response.writeHead(request.url === "/fails" ? 500 : 200, { "content-type": "application/json" });
    response.end(Buffer.concat(chunks));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await sql?.end();
  await cluster?.stop();
  server?.closeAllConnections();
  server?.close();
  await folder.remove();
});

describe("pg_net", () => {
  beforeEach(async () => {
    received.length = 0;
    await sql`truncate net.http_request_queue, net._http_response`;
  });

  test("sends a request after the commit, and none after a rollback", async () => {
    const worker = await startNetWorker({ adminUrl: cluster.adminUrl });
    await sql.begin(async (transaction) => {
      await transaction`select net.http_post(${`${baseUrl}/committed`}, '{"ä": 1}', params => '{"q": "a b&ü"}')`;
      await worker.idle();
      expect(received).toEqual([]);
    });
    await sql.begin(async (transaction) => {
      await transaction`select net.http_get(${`${baseUrl}/rolled-back`})`;
      throw new Error("undo");
    }).catch(() => {}); // the rollback is the point
    await worker.idle();
    expect(received).toEqual(["POST /committed?q=a%20b%26%C3%BC"]);
    expect(await sql`select status_code, content, timed_out, error_msg from net._http_response`)
      .toEqual([{ status_code: 200, content: '{"ä": 1}', timed_out: false, error_msg: null }]);
    await worker.stop();
  });

  test("needs no call to notice a request", async () => {
    const worker = await startNetWorker({ adminUrl: cluster.adminUrl });
    await worker.idle(); // its first look is over
    await sql`select net.http_delete(${`${baseUrl}/noticed`})`;
    await vi.waitFor(() => expect(received).toEqual(["DELETE /noticed"]));
    await worker.stop();
  });

  test("tells each failure once, in hosted's columns, and does not try again", async () => {
    const worker = await startNetWorker({ adminUrl: cluster.adminUrl });
    await sql`select net.http_get(${`${baseUrl}/fails`}), net.http_get('http://127.0.0.1:9/'),
      net.http_get('ftp://example.com'), net.http_get(${`${baseUrl}/silent`}, timeout_milliseconds => 50)`;
    await worker.idle();
    await worker.idle();
    expect([...received].sort()).toEqual(["GET /fails", "GET /silent"]);
    const answers = await sql`
      select status_code as status, timed_out, error_msg is not null as error from net._http_response order by id`;
    expect(answers).toEqual([
      { status: 500, timed_out: false, error: false },
      { status: null, timed_out: false, error: true },
      { status: null, timed_out: false, error: true },
      { status: null, timed_out: true, error: true },
    ]);
    await worker.stop();
  });

  test("stops at once with a request on its way, which the next worker sends again", async () => {
    const first = await startNetWorker({ adminUrl: cluster.adminUrl });
    await sql`select net.http_get(${`${baseUrl}/silent`}, timeout_milliseconds => 60000)`;
    await vi.waitFor(() => expect(received).toHaveLength(1));
    await first.stop();
    expect(await sql`select url, timeout_milliseconds as ms from net.http_request_queue`)
      .toEqual([{ url: `${baseUrl}/silent`, ms: 60_000 }]);
    await sql`update net.http_request_queue set timeout_milliseconds = 50`;
    const second = await startNetWorker({ adminUrl: cluster.adminUrl });
    await second.idle();
    expect(received).toEqual(["GET /silent", "GET /silent"]);
    await second.stop();
    await expectNoOtherSession();
  });
});

describe("pg_cron", () => {
  beforeEach(async () => {
    await sql`select cron.unschedule(jobid) from cron.job`;
    await sql`truncate cron.job_run_details, public.log`;
  });

  test("runs a procedure that commits, as the job's user, and writes down how it ended", async () => {
    const worker = await startCronWorker({ adminUrl: cluster.adminUrl });
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

  test("never runs one job twice at a time, and is not held up by it", async () => {
    const worker = await startCronWorker({ adminUrl: cluster.adminUrl });
    const hold = await sql.reserve();
    await hold`select pg_advisory_lock(1)`;
    await sql`select cron.schedule('blocked', '1 second', 'select pg_advisory_xact_lock(1)')`;
    await sql`select cron.schedule('quick', '1 second', 'select 1')`;
    const runs = () =>
      sql`select jobname, status from cron.job_run_details join cron.job using (jobid) order by runid`;
    const of = async (name: string) => (await runs()).filter((run) => run.jobname === name);
    await vi.waitFor(async () => expect(await of("blocked")).toHaveLength(1), 5_000);
    const before = (await of("quick")).length;
    await vi.waitFor(async () => expect((await of("quick")).length).toBeGreaterThan(before + 2), 8_000);
    expect(await of("blocked")).toEqual([{ jobname: "blocked", status: "running" }]);
    await hold`select pg_advisory_unlock(1)`;
    hold.release();
    await vi.waitFor(async () => expect((await of("blocked")).length).toBeGreaterThan(1), 5_000);
    await worker.stop();
  });

  test("stops at once with a job running, and leaves neither session nor a run that reads 'running'", async () => {
    const worker = await startCronWorker({ adminUrl: cluster.adminUrl });
    await sql`select cron.schedule('long', '1 second', 'select pg_sleep(600)')`;
    const status = async () => (await sql`select status from cron.job_run_details`).map((run) => run.status);
    await vi.waitFor(async () => expect(await status()).toEqual(["running"]), 5_000);
    await worker.stop();
    expect(await status()).toEqual(["failed"]);
    await expectNoOtherSession();
  });

  test("calls a run that a killed stack left open failed", async () => {
    await sql`insert into cron.job_run_details (jobid, status) values (1, 'running')`;
    const worker = await startCronWorker({ adminUrl: cluster.adminUrl });
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

async function expectNoOtherSession(): Promise<void> {
  // A backend ends a moment after its client has hung up.
  await vi.waitFor(async () => {
    const others = await sql`
      select usename, query from pg_stat_activity
      where backend_type = 'client backend' and (usename <> 'postgres' or application_name = 'pg_cron')`;
    expect(others).toEqual([]);
  });
}
