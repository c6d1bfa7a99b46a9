import { expect, test } from "vitest";
import { isSweepStamp } from "../../shared/backend/sweep-stamp.ts";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);
const secret = "a secret that only the Vault and the function know";

async function configure(): Promise<void> {
  await sql`select vault.create_secret('https://project.example.com/functions/v1', 'genflow_functions_url')`;
  await sql`select vault.create_secret(${secret}, 'genflow_sweep_secret')`;
}

interface Knock {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array;
  timeout_milliseconds: number;
}

async function knocks(): Promise<Knock[]> {
  return await sql<
    Knock[]
  >`select method, url, headers, body, timeout_milliseconds from net.http_request_queue order by id`;
}

test("without Vault values the sweep is quiet although work is due", async () => {
  await scenario.start(await db.addUser());
  expect(await db.sweep()).toEqual([]);
  await sql`select vault.create_secret('https://project.example.com/functions/v1', 'genflow_functions_url')`;
  expect(await db.sweep()).toEqual([]);
  expect(await knocks()).toEqual([]);
  expect(await sql`select counts ->> 'woke' as woke, errors from genflow.sweeps`).toEqual([{
    woke: "0",
    errors: 0,
  }, { woke: "0", errors: 0 }]);
});

test("where nothing is due nobody is woken", async () => {
  await configure();
  expect(await db.sweep()).toEqual([]);
  expect(await knocks()).toEqual([]);
});

test("work that is due is knocked for once a sweep, with a stamp that the function verifies for a minute", async () => {
  await configure();
  await scenario.start(await db.addUser());
  expect(await db.sweep()).toEqual([]);
  const [knock, ...more] = await knocks();
  expect(more).toEqual([]);
  expect(knock).toMatchObject({
    method: "POST",
    url: "https://project.example.com/functions/v1/sweep",
    timeout_milliseconds: 5000,
  });
  expect(new TextDecoder().decode(knock!.body)).toBe("{}");
  const stamp = knock!.headers["x-genflow-sweep"]!;
  const nowSeconds = Math.floor(Date.now() / 1000);
  expect(await isSweepStamp(stamp, secret, nowSeconds)).toBe(true);
  expect(await isSweepStamp(stamp, "another", nowSeconds)).toBe(false);
  expect(await isSweepStamp(stamp, secret, nowSeconds + 70)).toBe(false);
  expect(JSON.stringify(knock!.headers)).not.toContain(secret);
});

test.each([
  ["ready", async (userId: string) => void await scenario.start(userId)],
  ["polls", async (userId: string) => {
    await scenario.running(userId);
    await db.advance(16);
  }],
  ["listings", async (userId: string) => {
    await scenario.sent(userId);
    await db.advance(61);
  }],
  ["persists", async (userId: string) => void await scenario.delivered(userId)],
  ["thumbnails", async (userId: string) => void await scenario.completed(userId)],
  ["purges", async (userId: string) => {
    const { attemptId } = await scenario.delivered(userId);
    const persist = await scenario.lease(attemptId);
    await scenario.complete(persist, [{ index: 0, permanent: true }]);
    await db.advance(541);
  }],
  ["balance", async () => void await db.settings({ min_provider_balance_usd: 1 })],
])("%s alone are reason enough to wake the function", async (kind, prepare) => {
  await configure();
  await prepare(await db.addUser());
  const due = Object.entries(await kernel.workDue()).filter(([, count]) => count > 0);
  expect(due).toEqual([[kind, 1]]);
  await db.sweep();
  expect(await knocks()).toHaveLength(1);
});

test("what is due is counted to a hundred a kind", async () => {
  await db.settings({ sign_up_grant_credits: 200 });
  const userId = await db.addUser();
  await scenario.fill([userId], 103);
  expect((await kernel.workDue())["ready"]).toBe(100);
});

test("a knock that cannot be queued is an error of that sweep, written down, and undoes nothing else", async () => {
  await configure();
  const { jobId } = await scenario.claimed(await db.addUser());
  await scenario.start(await db.addUser());
  await db.advance(46);
  await sql`alter table net.http_request_queue add constraint shut check (false) not valid`;
  const warnings = await db.sweep();
  await sql`alter table net.http_request_queue drop constraint shut`;
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/woke failed/);
  expect(await scenario.job(jobId)).toMatchObject({ status: "queued" });
  expect(await sql`select errors from genflow.sweeps`).toEqual([{ errors: 1 }]);
});

test("pg_cron runs the sweep every ten seconds as its one statement, as postgres", async () => {
  expect(await sql`select schedule, command, username from cron.job where jobname = 'genflow-sweep'`)
    .toEqual([{ schedule: "10 seconds", command: "call genflow.sweep()", username: "postgres" }]);
});
