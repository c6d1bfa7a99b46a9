// The real SQL on a real Postgres, with the simulation's clock, ids and chance in the place of the server's. One
// connection a role and one question at a time: what many connections do to each other is the property tests' matter.

import postgres from "postgres";
import { KernelError } from "../../shared/backend/kernel.ts";
import { emptyTables } from "../database/empty-tables.ts";
import { noteStored } from "../database/stored-object.ts";

/** The migrations have no switch for any of these; only this template has. */
export const harness = `
  create table genflow.harness (seconds_ahead double precision not null default 0, random_unit double precision);
  create sequence genflow.simulated_draws;
  create function genflow.draw() returns bigint
  language plpgsql volatile security definer set search_path = ''
  as $$ begin return pg_catalog.hashtextextended(
    pg_catalog.current_setting('simulation.seed') || pg_catalog.nextval('genflow.simulated_draws')::text, 0); end $$;
  create or replace function genflow.clock() returns timestamptz
  language plpgsql volatile security definer set search_path = ''
  as $$ begin return pg_catalog.current_setting('simulation.now')::timestamptz; end $$;
  create or replace function genflow.random_unit() returns double precision
  language plpgsql volatile security definer set search_path = ''
  as $$ begin return (genflow.draw() & 4294967295)::double precision / 4294967296; end $$;
  create or replace function genflow.new_id() returns uuid
  language plpgsql volatile security definer set search_path = ''
  as $$ begin return pg_catalog.overlay(pg_catalog.overlay(pg_catalog.md5(genflow.draw()::text), '4', 13), 'a', 17)::uuid; end $$;
  -- Read after each call, over the same connection.
  alter view ops.invariant_violations set (security_invoker = false);
  grant usage on schema ops to service_role;
  grant select on ops.invariant_violations to service_role;
  grant execute on function genflow.clock() to service_role;
  create table realtime.messages_all partition of realtime.messages for values from (minvalue) to (maxvalue);`;

export interface Violation {
  promise: number;
  rule: string;
  user_id: string | null;
  job_id: string | null;
  detail: unknown;
}

/** At nothing, at what is one user's, or at everything. */
export type Look = "none" | { userId: string } | "all";

export interface Called {
  /** Throws a KernelError for what SQL refused. */
  answer(): unknown;
  /** Rows of ops.invariant_violations: asked for in the same journey to the server. */
  violations: Violation[];
}

export interface SimulatedDatabase {
  /** The superuser's. */
  sql: postgres.Sql;
  /** Empties everything and begins the seed's draws anew. */
  begin(atMs: number, seed: number): Promise<void>;
  /** One whose e-mail is confirmed. */
  addUser(atMs: number, userId: string): Promise<void>;
  /** Calls public.<name> as service_role, and looks at the promises just after it. */
  rpc(atMs: number, name: string, args: Record<string, unknown>, look: Look): Promise<Called>;
  /** Calls public.<name> as a signed-in user. */
  asUser(atMs: number, userId: string, name: string, args: Record<string, unknown>): Promise<unknown>;
  /** Runs `call genflow.sweep()` as pg_cron does; answers its warnings, how often it knocked at the sweep function, and how much it moved. */
  sweep(atMs: number): Promise<{ warnings: string[]; knocks: number; moved: number }>;
  /** What an operator changes by hand. */
  set(
    atMs: number,
    table: "genflow.settings" | "genflow.provider",
    values: Record<string, unknown>,
  ): Promise<void>;
  /** An upload's row, as Storage writes it. */
  noteStored(atMs: number, bucket: string, path: string, bytes: number): Promise<void>;
  /** As the dashboard does. */
  deleteUser(atMs: number, userId: string): Promise<void>;
  /** Rows of ops.invariant_violations, of all. */
  violations(atMs: number): Promise<Violation[]>;
  end(): Promise<void>;
}

export function openSimulated(
  url: (role: "supabase_admin" | "postgres" | "authenticator") => string,
): SimulatedDatabase {
  const warnings: string[] = [];
  const connect = (
    role: "supabase_admin" | "postgres" | "authenticator",
    more: Record<string, string> = {},
    onnotice = (_: postgres.Notice) => {},
  ) =>
    postgres(url(role), {
      max: 1,
      max_lifetime: null,
      onnotice,
      connection: {
        "simulation.now": "2026-01-01T00:00:00Z",
        "simulation.seed": "0",
        // Nothing here outlives its server.
        synchronous_commit: "off",
        // Statistics come and go while a thousand seeds pass: with some of them every call would be planned anew.
        plan_cache_mode: "force_generic_plan",
        ...more,
      },
    });
  const sql = connect("supabase_admin");
  // Without statistics that change from seed to seed: the promises' view would read whole tables for each of its jobs.
  const api = connect("authenticator", { role: "service_role", enable_seqscan: "off" });
  const app = connect("authenticator");
  const cron = connect("postgres", {}, (notice) => warnings.push(String(notice["message"])));
  let seeds = 0;

  /** Before the next question of this connection, in the same journey to the server. */
  const set = (connection: postgres.Sql, atMs: number) =>
    connection`select set_config('simulation.now', ${new Date(atMs).toISOString()}, false)`;

  async function call(
    connection: postgres.Sql,
    atMs: number,
    name: string,
    args: Record<string, unknown>,
    look: Look,
  ): Promise<Called> {
    const names = Object.keys(args);
    // The condition is what makes the time stand before the function is called.
    const text = `select public.${name}(${
      names.map((each, at) => `${each} => $${at + 2}`).join(", ")
    }) as answer from (select set_config('simulation.now', $1, false) as now offset 0) t where t.now <> ''`;
    const values = [new Date(atMs).toISOString(), ...names.map((each) => args[each] as string)];
    const [answered, violations] = await Promise.all([
      connection.unsafe<{ answer: unknown }[]>(text, values, { prepare: true }).then(
        (rows) => () => rows[0]?.answer,
        (error: unknown) => () => {
          throw error instanceof postgres.PostgresError ? new KernelError(name, error.code, false) : error;
        },
      ),
      violationsOf(connection, look),
    ]);
    return { answer: answered, violations };
  }

  function violationsOf(connection: postgres.Sql, look: Look): PromiseLike<Violation[]> | Violation[] {
    if (look === "none") return [];
    return look === "all"
      ? connection<Violation[]>`select * from ops.invariant_violations`
      : connection<Violation[]>`select * from ops.invariant_violations where user_id = ${look.userId}`;
  }

  return {
    sql,
    async begin(atMs, seed) {
      for (const connection of [sql, api, app, cron]) {
        await Promise.all([
          set(connection, atMs),
          connection`select set_config('simulation.seed', ${String(seed)}, false)`,
        ]);
      }
      await emptyTables(sql);
      // What is dead would be walked over until the server gets round to it.
      if (++seeds % 10 === 0) await sql`vacuum`;
      // The sweep learns how long a model takes.
      await sql`update public.generation_models set expected_seconds = 10`;
      await sql`select setval('genflow.simulated_draws', 1, false)`;
      await sql`select vault.create_secret('https://project.example.com/functions/v1', 'genflow_functions_url'),
        vault.create_secret('simulated sweep secret', 'genflow_sweep_secret')`;
      await sql`update genflow.settings set user_running_cap = default, user_pending_cap = default,
        user_start_burst = default, user_starts_per_minute = default`;
    },
    rpc: (atMs, name, args, look) => call(api, atMs, name, args, look),
    async asUser(atMs, userId, name, args) {
      await app`select set_config('role', 'authenticated', false), set_config('request.jwt.claims', ${
        JSON.stringify({ sub: userId, role: "authenticated" })
      }, false)`;
      return (await call(app, atMs, name, args, "none")).answer();
    },
    async sweep(atMs) {
      warnings.length = 0;
      await Promise.all([set(cron, atMs), cron.unsafe("call genflow.sweep()")]);
      const [last] = await sql<{ knocks: number; moved: number }[]>`
        with knocks as (delete from net.http_request_queue returning 1)
        select (select count(*) from knocks)::integer as knocks, coalesce(sum(value::integer), 0)::integer as moved
          from genflow.sweeps, jsonb_each_text(counts) where key <> 'woke'
            and id = (select max(id) from genflow.sweeps where kind = 'sql')`;
      return { warnings: [...warnings], ...last! };
    },
    async addUser(atMs, userId) {
      await Promise.all([
        set(sql, atMs),
        sql`insert into auth.users (id, email, email_confirmed_at)
          values (${userId}, ${`${userId}@example.com`}, now())`,
      ]);
    },
    async set(atMs, table, values) {
      await Promise.all([set(sql, atMs), sql`update ${sql(table)} set ${sql(values)}`]);
    },
    async noteStored(atMs, bucket, path, bytes) {
      await Promise.all([set(sql, atMs), noteStored(sql, path, bytes, bucket)]);
    },
    async deleteUser(atMs, userId) {
      await Promise.all([set(sql, atMs), sql`delete from auth.users where id = ${userId}`]);
    },
    async violations(atMs) {
      const [, rows] = await Promise.all([
        set(api, atMs),
        violationsOf(api, "all"),
      ]);
      return [...rows];
    },
    async end() {
      await Promise.all([sql.end(), api.end(), app.end(), cron.end()]);
    },
  };
}
