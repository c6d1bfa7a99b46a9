// pg_net and the Vault: requests that go after the commit, once, with headers that anybody reads; secrets that are
// written by functions only.

import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { startCluster } from "../../supabase/local/postgres/mod.ts";
import { type NetWorker, startNetWorker } from "../../supabase/local/workers/mod.ts";
import {
  expectNoOtherSession,
  startWebServer,
  startWorkerCluster,
  type WebServer,
  type WorkerCluster,
} from "../local/worker-cluster.ts";

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
beforeEach(async () => {
  web.received.length = 0;
  await sql`truncate net.http_request_queue, net._http_response`;
});

/** Stopped with its test, however that ends. */
async function startWorker(): Promise<NetWorker> {
  const worker = await startNetWorker({ adminUrl: database.cluster.adminUrl });
  onTestFinished(() => worker.stop());
  return worker;
}

describe("pg_net", () => {
  test("trap 20: a request goes after the commit, not before and not after a rollback", async () => {
    const worker = await startWorker();
    await sql.begin(async (transaction) => {
      await transaction`select net.http_post(${`${web.url}/committed`}, '{"ä": 1}', params => '{"q": "a b&ü"}')`;
      await worker.idle();
      expect(web.received).toEqual([]);
      expect(await transaction`select from net._http_response`).toEqual([]);
    });
    await sql.begin(async (transaction) => {
      await transaction`select net.http_get(${`${web.url}/rolled-back`})`;
      throw new Error("undo");
    }).catch(() => {}); // the rollback is the point
    await worker.idle();
    expect(web.received).toEqual(["POST /committed?q=a%20b%26%C3%BC"]);
    expect(await sql`select status_code, content, timed_out, error_msg from net._http_response`)
      .toEqual([{ status_code: 200, content: '{"ä": 1}', timed_out: false, error_msg: null }]);
  });

  test("trap 20: 200 requests go at once, in no order, are answered for together, and a second is rested", async () => {
    await startWorker();
    await sql.begin((transaction) => [
      transaction`select net.http_get(${web.url} || '/quick/' || n) from generate_series(1, 199) as n`,
      transaction`select net.http_get(${`${web.url}/held`}), net.http_get(${`${web.url}/next-batch`})`,
    ]);
    const before = web.answered();
    await vi.waitFor(() => expect(web.answered() - before).toBe(199), 20_000);
    const arrived = web.received.filter((line) => line.startsWith("GET /quick/"));
    const inOrder = Array.from({ length: 199 }, (_, index) => `GET /quick/${index + 1}`);
    expect(arrived).not.toEqual(inOrder);
    expect([...arrived].sort()).toEqual([...inOrder].sort());
    expect(web.received).toContain("GET /held");
    expect(web.received).not.toContain("GET /next-batch");
    expect(await sql`select from net._http_response`).toEqual([]);
    const releasedAt = performance.now();
    web.release();
    await vi.waitFor(() => expect(web.received).toContain("GET /next-batch"), 10_000);
    expect(performance.now() - releasedAt).toBeGreaterThan(900);
    expect((await sql`select from net._http_response`).length).toBeGreaterThanOrEqual(200);
  });

  test("trap 20: a redirect is followed, an error of the server is a row like any other", async () => {
    const worker = await startWorker();
    await sql`select net.http_get(${`${web.url}/moved`}), net.http_get(${`${web.url}/fails`})`;
    await worker.idle();
    expect([...web.received].sort()).toEqual(["GET /fails", "GET /landed", "GET /moved"]);
    expect(await sql`select status_code, timed_out, error_msg from net._http_response order by id`).toEqual([
      { status_code: 200, timed_out: false, error_msg: null },
      { status_code: 500, timed_out: false, error_msg: null },
    ]);
  });

  test("trap 20: who does not say otherwise is given five seconds, a body is JSON, and there is no PUT", async () => {
    await sql`select net.http_get('http://127.0.0.1:9'), net.http_post('http://127.0.0.1:9', headers => '{"x-a": "b"}'),
      net.http_delete('http://127.0.0.1:9', body => '{"a": 1}')`;
    expect(
      await sql`select method, headers, convert_from(body, 'utf8') as body, timeout_milliseconds as ms
        from net.http_request_queue order by id`,
    ).toEqual([
      { method: "GET", headers: {}, body: null, ms: 5000 },
      { method: "POST", headers: { "x-a": "b", "Content-Type": "application/json" }, body: "{}", ms: 5000 },
      { method: "DELETE", headers: {}, body: '{"a": 1}', ms: 5000 },
    ]);
    await expect(sql`select net.http_post('http://127.0.0.1:9', headers => '{"content-type": "text/plain"}')`)
      .rejects.toThrow('Content-Type header must be "application/json"');
    const functions = await sql`
      select proname as name, pg_get_function_identity_arguments(oid) as arguments from pg_proc
      where pronamespace = 'net'::regnamespace and proname like 'http\\_%' and prorettype = 'bigint'::regtype order by 1`;
    expect(functions).toEqual([
      {
        name: "http_delete",
        arguments: "url text, params jsonb, headers jsonb, timeout_milliseconds integer, body jsonb",
      },
      { name: "http_get", arguments: "url text, params jsonb, headers jsonb, timeout_milliseconds integer" },
      {
        name: "http_post",
        arguments: "url text, body jsonb, params jsonb, headers jsonb, timeout_milliseconds integer",
      },
    ]);
  });

  test("trap 21: each failure is told once and nothing is tried again", async () => {
    const worker = await startWorker();
    await sql`select net.http_get(${`${web.url}/fails`}), net.http_get('http://127.0.0.1:9/'),
      net.http_get('ftp://example.com'), net.http_get(${`${web.url}/silent`}, timeout_milliseconds => 50)`;
    await worker.idle();
    await worker.idle();
    expect([...web.received].sort()).toEqual(["GET /fails", "GET /silent"]);
    expect(await sql`select from net.http_request_queue`).toEqual([]);
    const answers = await sql`
      select status_code as status, timed_out, error_msg is not null as error from net._http_response order by id`;
    expect(answers).toEqual([
      { status: 500, timed_out: false, error: false },
      { status: null, timed_out: false, error: true },
      { status: null, timed_out: false, error: true },
      { status: null, timed_out: true, error: true },
    ]);
  });

  test("trap 21: a worker that dies with a batch on its way leaves it to the next, which sends it again", async () => {
    const first = await startWorker();
    await sql`select net.http_get(${`${web.url}/silent`}, timeout_milliseconds => 60000)`;
    await vi.waitFor(() => expect(web.received).toHaveLength(1));
    await first.stop();
    expect(await sql`select url, timeout_milliseconds as ms from net.http_request_queue`)
      .toEqual([{ url: `${web.url}/silent`, ms: 60_000 }]);
    await sql`update net.http_request_queue set timeout_milliseconds = 50`;
    const second = await startWorker();
    await second.idle();
    expect(web.received).toEqual(["GET /silent", "GET /silent"]);
    await second.stop();
    await expectNoOtherSession(sql);
  });
});

describe("what anybody reads, on the migrated project", () => {
  const stack = inject("trapsStack");
  const project = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  afterAll(() => project.end());

  test.each(["anon", "authenticated", "service_role"])(
    "trap 22: %s reads the headers of every queued request",
    async (role) => {
      await undone(project, async (transaction) => {
        const headers = { Authorization: "Bearer a key that should not travel here" };
        await transaction`select net.http_get('https://service.example.com', headers => ${
          transaction.json(headers)
        })`;
        await transaction.unsafe(`set local role ${role}`);
        expect(
          await transaction`select headers from net.http_request_queue where url = 'https://service.example.com'`,
        ).toEqual([{ headers }]);
      });
    },
  );

  test("trap 22: so the sweep's knock carries a stamp and no key, and its address comes from the Vault", async () => {
    await undone(project, async (transaction) => {
      await transaction`update genflow.settings set min_provider_balance_usd = 1`; // so that there is something to do
      const [secret] = await transaction`
        select decrypted_secret as value from vault.decrypted_secrets where name = 'genflow_sweep_secret'`;
      await transaction`select vault.update_secret(id, new_secret => 'https://project.example.com/functions/v1')
        from vault.secrets where name = 'genflow_functions_url'`;
      expect(await transaction`select genflow.wake_sweep_function() as woken`).toEqual([{ woken: true }]);
      await transaction`set local role authenticated`;
      const knocks = await transaction`
        select headers, convert_from(body, 'utf8') as body from net.http_request_queue
        where url = 'https://project.example.com/functions/v1/sweep'`;
      expect(knocks).toEqual([{
        headers: {
          "Content-Type": "application/json",
          "x-genflow-sweep": expect.stringMatching(/^\d+\.[0-9a-f]{64}$/),
        },
        body: "{}",
      }]);
      expect(JSON.stringify(knocks)).not.toContain(secret?.["value"]);
      expect(JSON.stringify(knocks)).not.toContain(stack.secretKey);
    });
  });

  test("trap 24: a secret is written by functions only, and its name is taken once", async () => {
    await undone(project, async (transaction) => {
      const refused = (statement: string) =>
        transaction.savepoint((point) => point.unsafe(statement)).then(() => null, (error) => error.code);
      await transaction`select vault.create_secret('first', 'trap_24')`;
      expect(await refused("insert into vault.secrets (name, secret) values ('x', 'y')")).toBe("42501");
      expect(await refused("update vault.secrets set name = 'other' where name = 'trap_24'")).toBe("42501");
      expect(await refused("select vault.create_secret('again', 'trap_24')")).toBe("23505");
      await transaction`select vault.update_secret(id, new_secret => 'second') from vault.secrets where name = 'trap_24'`;
      const read = "select secret, decrypted_secret from vault.decrypted_secrets where name = 'trap_24'";
      const [row] = await transaction.unsafe(read);
      expect(row?.["decrypted_secret"]).toBe("second");
      expect(row?.["secret"]).not.toContain("second");
      for (const role of ["authenticated", "anon"]) {
        await transaction.unsafe(`set local role ${role}`);
        expect(await refused(read)).toBe("42501");
        expect(await refused("select vault.create_secret('mine')")).toBe("42501");
      }
      await transaction`set local role service_role`;
      expect(await transaction.unsafe(read)).toHaveLength(1);
    });
  });
});

// Last: it takes the database down.
test("trap 21: what was queued is gone after a crash", async () => {
  const { cluster, dataDirectory } = database;
  expect(
    await sql`select relname, relpersistence from pg_class
      where relnamespace = 'net'::regnamespace and relkind = 'r' order by 1`,
  ).toEqual([{ relname: "_http_response", relpersistence: "u" }, {
    relname: "http_request_queue",
    relpersistence: "u",
  }]);
  await sql`select net.http_get(${`${web.url}/lost`})`;
  await sql`insert into public.log (step) values ('kept')`;
  await sql.end();
  process.kill(cluster.pid, "SIGQUIT"); // an immediate shutdown: no checkpoint, recovery at the next start
  await cluster.stop();
  const recovered = await startCluster({ dataDirectory });
  const after = postgres(recovered.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    expect(await after`select step from public.log`).toEqual([{ step: "kept" }]);
    expect(await after`select from net.http_request_queue`).toEqual([]);
  } finally {
    await after.end();
    await recovered.stop();
  }
});

/** Whatever it does to the project that all files share is rolled back. */
async function undone(
  connection: postgres.Sql,
  work: (transaction: postgres.TransactionSql) => Promise<void>,
): Promise<void> {
  const undo = new Error("undo");
  await connection.begin(async (transaction) => {
    await work(transaction);
    throw undo;
  }).catch((error: unknown) => {
    if (error !== undo) throw error;
  });
}
