// A database of the test file's own, cloned from the template, and the ways into it: the kernel as the API reaches it,
// a signed-in user, the sweep as pg_cron runs it, and the superuser who looks behind all of them.

import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeEach, expect, inject } from "vitest";
import { createKernel, type Kernel, type Rpc } from "../../shared/backend/kernel.ts";
import { changeTopic } from "../../shared/contract/mod.ts";
import { emptyTables } from "./empty-tables.ts";

export type Row = Record<string, unknown>;
export type ApiRole = "anon" | "authenticated" | "service_role";
type Transaction = postgres.TransactionSql;

const maxConnections = 32;

export interface TestDatabase {
  name: string;
  kernel: Kernel;
  /** Calls public.<name> as service_role, the way the API does: authenticator, one transaction, named arguments. */
  rpc: Rpc;
  /** As superuser. */
  sql: postgres.Sql;
  asUser<Answer>(userId: string, ask: (sql: Transaction) => Promise<Answer>): Promise<Answer>;
  asRole<Answer>(role: ApiRole, claims: Row, ask: (sql: Transaction) => Promise<Answer>): Promise<Answer>;
  /** A user whose e-mail is confirmed, unless told otherwise. */
  addUser(more?: { confirmed?: boolean; anonymous?: boolean }): Promise<string>;
  /** Moves genflow.clock(). */
  advance(seconds: number): Promise<void>;
  /** Fixes genflow.random_unit(). */
  fixRandom(unit: number): Promise<void>;
  settings(values: Row): Promise<void>;
  provider(values: Row): Promise<void>;
  account(userId: string, values: Row): Promise<void>;
  /** Runs `call genflow.sweep()` as pg_cron does; answers its warnings. */
  sweep(): Promise<string[]>;
  /** What was pushed to the user's topic, by number. */
  messages(userId: string): Promise<Row[]>;
  /** Begins every call while the user's account is locked, and lets go once all of them wait for it. Up to 32 calls. */
  racing<Answer>(userId: string, calls: (() => Promise<Answer>)[]): Promise<Answer[]>;
  /** Forgets all users and jobs and opens every limit, as before each test. For who runs many trials in one. */
  startAnew(): Promise<void>;
  /** More connections of the superuser. The caller ends them. */
  connections(count: number): postgres.Sql;
  /** Another pool of the API's role, for races. */
  pool(connections: number): { rpc: Rpc; kernel: Kernel; end(): Promise<void> };
}

/** Call it once, at the top of a test file. Each test begins with no users, no jobs and wide-open limits. */
export async function openDatabase(): Promise<TestDatabase> {
  const name = `genflow_${randomUUID().slice(0, 8)}`;
  const maker = connect("supabase_admin", "postgres", 1);
  await maker`create database ${maker(name)} template ${maker(inject("templateDatabase"))} owner postgres`;
  await maker.end();

  const warnings: string[] = [];
  const sql = connect("supabase_admin", name, 2);
  const api = connect("authenticator", name, maxConnections);
  const cron = connect("postgres", name, 1, (notice) => warnings.push(String(notice["message"])));
  const inRole: TestDatabase["asRole"] = async (role, claims, ask) => {
    const answer = await api.begin(async (transaction) => {
      await enter(transaction, role, claims);
      return [await ask(transaction)] as const;
    });
    return answer[0];
  };

  const database: TestDatabase = {
    name,
    kernel: createKernel(rpcOver(api)),
    rpc: rpcOver(api),
    sql,
    asRole: inRole,
    asUser: (userId, ask) => inRole("authenticated", { sub: userId, role: "authenticated" }, ask),
    async addUser({ confirmed = true, anonymous = false } = {}) {
      const id = randomUUID();
      await sql`insert into auth.users (id, email, email_confirmed_at, is_anonymous)
        values (${id}, ${`${id}@example.com`}, ${confirmed ? new Date() : null}, ${anonymous})`;
      return id;
    },
    async advance(seconds) {
      await sql`update genflow.harness set seconds_ahead = seconds_ahead + ${seconds}`;
    },
    async fixRandom(unit) {
      await sql`update genflow.harness set random_unit = ${unit}`;
    },
    async settings(values) {
      await sql`update genflow.settings set ${sql(values)}`;
    },
    async provider(values) {
      await sql`update genflow.provider set ${sql(values)}`;
    },
    async account(userId, values) {
      await sql`insert into genflow.accounts (user_id) values (${userId}) on conflict do nothing`;
      await sql`update genflow.accounts set ${sql(values)} where user_id = ${userId}`;
    },
    async sweep() {
      warnings.length = 0;
      await cron.unsafe("call genflow.sweep()");
      return [...warnings];
    },
    async messages(userId) {
      const rows = await sql<{ payload: Row }[]>`
        select payload from realtime.messages where topic = ${changeTopic(userId)}
        order by (payload ->> 'seq')::bigint, inserted_at`;
      return rows.map((row) => row.payload);
    },
    async racing(userId, calls) {
      return await sql.begin(async (transaction) => {
        await transaction`select genflow.lock_account(${userId})`;
        const answers = Promise.all(calls.map((call) => call()));
        await expect.poll(() => waitingForLocks(sql), { interval: 5, timeout: 10_000 }).toBe(calls.length);
        return [answers] as const;
      }).then(([answers]) => answers);
    },
    startAnew: () => emptyTables(sql),
    connections: (count) => connect("supabase_admin", name, count),
    pool(connections) {
      const more = connect("authenticator", name, connections);
      return { rpc: rpcOver(more), kernel: createKernel(rpcOver(more)), end: () => more.end() };
    },
  };

  beforeEach(() => emptyTables(sql));
  afterAll(async () => {
    await Promise.all([sql.end(), api.end(), cron.end()]);
  });
  return database;
}

async function waitingForLocks(sql: postgres.Sql): Promise<number> {
  const rows = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return rows.length;
}

function connect(
  role: string,
  database: string,
  max: number,
  onnotice: (notice: postgres.Notice) => void = () => {},
) {
  return postgres(`postgres://${role}@127.0.0.1:${inject("postgresPort")}/${database}`, { max, onnotice });
}

function rpcOver(api: postgres.Sql): Rpc {
  return async (name, args) => {
    const names = Object.keys(args);
    const call = `select public.${name}(${
      names.map((each, at) => `${each} => $${at + 1}`).join(", ")
    }) as answer`;
    const answer = await api.begin(async (transaction) => {
      await enter(transaction, "service_role", { role: "service_role" });
      return await transaction.unsafe<{ answer: unknown }[]>(call, names.map((each) => args[each] as string));
    });
    return answer[0]?.answer;
  };
}

async function enter(transaction: Transaction, role: ApiRole, claims: Row): Promise<void> {
  await transaction`select set_config('role', ${role}, true), set_config('request.jwt.claims', ${
    JSON.stringify(claims)
  }, true)`;
}
