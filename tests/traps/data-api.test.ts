// What the Data API lets through on hosted: grants under the new and the old default privileges, the roles' limits,
// 1,000 rows, and tokens of this project's key alone.

import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type Cluster, startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { type ApiRole, type DataApi, openDatabase, type OpenedDatabase, roles } from "./data-api.ts";

const refusedStatus: Record<ApiRole, number> = { anon: 401, authenticated: 403, service_role: 403 };

const objects = `
create table public.plain (id integer primary key, label text);
insert into public.plain values (1, 'one');
create table public.numbered (id serial, label text);
grant insert on public.numbered to service_role;
create function public.last_number() returns bigint language sql set search_path = ''
as $$ select last_value from public.numbered_id_seq $$;

create function public.untouched() returns text language sql set search_path = '' as $$ select 'called' $$;
create function public.closed_to_public() returns text language sql set search_path = '' as $$ select 'called' $$;
revoke execute on function public.closed_to_public() from public;
create function public.closed_to_roles() returns text language sql set search_path = '' as $$ select 'called' $$;
revoke execute on function public.closed_to_roles() from anon, authenticated, service_role;
create function public.closed_to_both() returns text language sql set search_path = '' as $$ select 'called' $$;
revoke execute on function public.closed_to_both() from public, anon, authenticated, service_role;
`;

const limits = `
create function public.limits() returns jsonb language sql volatile set search_path = ''
as $$ select pg_catalog.jsonb_build_object('statement', pg_catalog.current_setting('statement_timeout'),
  'lock', pg_catalog.current_setting('lock_timeout'), 'path', pg_catalog.current_setting('search_path', true)) $$;
create function public.api_path() returns text language sql volatile as $$ select pg_catalog.current_setting('search_path') $$;
create function public.session() returns text language sql volatile set search_path = '' as $$ select session_user || ' ' || current_user $$;
create function public.limited() returns text language sql volatile set search_path = '' set statement_timeout = '7s'
as $$ select pg_catalog.current_setting('statement_timeout') $$;
create function public.wait(seconds float) returns void language sql volatile set search_path = ''
as $$ select pg_catalog.pg_sleep(seconds) $$;
create table public.locked (id integer primary key, label text);
grant select, insert, update, delete on public.locked to authenticated;
insert into public.locked values (1, 'one');
create table public.long (id integer);
grant select on public.long to anon;
insert into public.long select generate_series(1, 1001);
`;

let cluster: Cluster;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  cluster = await startCluster({ dataDirectory: folder.path });
});
afterAll(async () => {
  await cluster?.stop();
  await folder?.remove();
});

describe.each(["new", "old"] as const)("under the %s default privileges", (kind) => {
  let opened: OpenedDatabase;
  let as: DataApi["as"];
  beforeAll(async () => {
    opened = await openDatabase(cluster, folder.path, `grants_${kind}`, kind, objects);
    as = opened.as;
  });
  afterAll(() => opened?.stop());

  async function codes(role: ApiRole): Promise<Record<string, string>> {
    const table = () => as[role].from("plain");
    const answers = {
      insert: await table().insert({ id: 2, label: "two" }),
      select: await table().select("id"),
      update: await table().update({ label: "new" }).eq("id", 2),
      delete: await table().delete().eq("id", 2),
    };
    return Object.fromEntries(
      Object.entries(answers).map(([name, { status, error }]) => [name, `${status} ${error?.code ?? ""}`]),
    );
  }

  test.each(roles)(
    "trap 1: a new table is open to %s only where it was granted or the defaults are old",
    async (role) => {
      const refused = `${refusedStatus[role]} 42501`;
      expect(await codes(role)).toEqual(
        kind === "old"
          ? { insert: "201 ", select: "200 ", update: "204 ", delete: "204 " }
          : { insert: refused, select: refused, update: refused, delete: refused },
      );
    },
  );

  test("trap 4: who may call a function depends on both revokes and on the defaults", async () => {
    // The built-in EXECUTE of PUBLIC and the defaults' own grants are two doors: each revoke closes one.
    const callable = {
      untouched: { new: true, old: true },
      closed_to_public: { new: false, old: true },
      closed_to_roles: { new: true, old: true },
      closed_to_both: { new: false, old: false },
    };
    for (const [name, under] of Object.entries(callable)) {
      for (const role of roles) {
        const { data, error } = await as[role].rpc(name);
        expect([name, role, data ?? error?.code]).toEqual([name, role, under[kind] ? "called" : "42501"]);
      }
    }
  });

  // The published statement revokes USAGE and SELECT; the UPDATE that is left is enough for nextval().
  test("trap 1: a new sequence counts for who may insert, and is read only under the old defaults", async () => {
    expect((await as.service_role.from("numbered").insert({ label: "a" })).status).toBe(201);
    const { data, error } = await as.service_role.rpc("last_number");
    expect([data, error?.message]).toEqual(
      kind === "old" ? [1, undefined] : [null, "permission denied for sequence numbered_id_seq"],
    );
  });
});

describe("the limits of a request", () => {
  let opened: OpenedDatabase;
  let as: DataApi["as"];
  beforeAll(async () => {
    opened = await openDatabase(cluster, folder.path, "limits", "new", limits);
    as = opened.as;
  });
  afterAll(() => opened?.stop());

  /** As who runs a project does, for every database of this test's cluster. */
  async function changeRole(role: ApiRole, setting: string, value: string): Promise<void> {
    await as[role].rpc("limits"); // the settings are read and kept by now
    await opened.sql.unsafe(`alter role ${role} set ${setting} = '${value}'; notify pgrst, 'reload config'`);
  }

  test("trap 5: each role has its own statement time-out, service_role the authenticator's", async () => {
    const found = await Promise.all(roles.map(async (role) => [role, (await as[role].rpc("limits")).data]));
    expect(Object.fromEntries(found)).toMatchObject({
      anon: { statement: "3s", lock: "8s" },
      authenticated: { statement: "8s", lock: "8s" },
      service_role: { statement: "8s", lock: "8s" },
    });
  });

  test("trap 5: the API logs in as authenticator, becomes the caller, and looks in public and extensions", async () => {
    expect((await as.authenticated.rpc("session")).data).toBe("authenticator authenticated");
    expect((await as.anon.rpc("api_path")).data).toBe("public, extensions");
  });

  test("trap 5: a function's own statement_timeout counts for the call", async () => {
    expect((await as.anon.rpc("limited")).data).toBe("7s");
    // Not only shown inside: the limit of the statement that calls it is another than the role's.
    await opened.sql`alter function public.wait(float) set statement_timeout = '50ms'`;
    await expect.poll(async () => (await as.anon.rpc("wait", { seconds: 0.5 })).error?.code).toBe("57014");
    await opened.sql`alter function public.wait(float) reset statement_timeout`;
    await expect.poll(async () => (await as.anon.rpc("wait", { seconds: 0.1 })).error).toBeNull();
  });

  test("trap 5: a statement over its role's time-out is canceled and answered as by PostgREST", async () => {
    await changeRole("service_role", "statement_timeout", "100ms");
    await expect.poll(async () => (await as.service_role.rpc("limits")).data.statement).toBe("100ms");
    const { status, error } = await as.service_role.rpc("wait", { seconds: 5 });
    expect([status, { ...error }]).toEqual([500, {
      code: "57014",
      details: null,
      hint: null,
      message: "canceling statement due to statement timeout",
    }]);
    await opened.sql`alter role service_role reset statement_timeout`;
  });

  test("trap 5: waiting for a lock ends with the role's lock_timeout", async () => {
    await changeRole("authenticated", "lock_timeout", "100ms");
    await expect.poll(async () => (await as.authenticated.rpc("limits")).data.lock).toBe("100ms");
    await opened.sql.begin(async (transaction) => {
      await transaction`update public.locked set label = 'held' where id = 1`;
      const { status, error } = await as.authenticated.from("locked").update({ label: "x" }).eq("id", 1);
      expect([status, error]).toMatchObject([500, {
        code: "55P03",
        message: "canceling statement due to lock timeout",
      }]);
    });
    await opened.sql`alter role authenticated reset lock_timeout`;
  });

  test("a table is answered in 1,000 rows at most, whatever was asked for", async () => {
    expect((await as.anon.from("long").select("id")).data).toHaveLength(1000);
    expect((await as.anon.from("long").select("id").limit(5000)).data).toHaveLength(1000);
    expect((await as.anon.from("long").select("id").range(1000, 5000)).data).toHaveLength(1);
  });

  test("a table that a migration adds later is found without a restart", async () => {
    await opened.sql.unsafe("create table public.late (id integer); grant select on public.late to anon");
    await expect.poll(async () => (await as.anon.from("late").select()).data).toEqual([]);
    await opened.sql`drop table public.late`;
    await expect.poll(async () => (await as.anon.from("late").select()).error?.code).toBe("PGRST205");
  });
});

describe("the project's own stack", () => {
  const stack = inject("trapsStack");

  test.each([
    [
      "the key that local projects are known by",
      () => "super-secret-jwt-token-with-at-least-32-characters-long",
    ],
    ["the publishable key", () => stack.publishableKey],
    [
      "the public key of the JWKS",
      () => fetch(`${stack.url}/auth/v1/.well-known/jwks.json`).then((answer) => answer.text()),
    ],
  ])("a token signed by HS256 with %s is refused by every service", async (_name, secret) => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = {
      sub: "00000000-0000-4000-8000-000000000001",
      role: "service_role",
      iss: `${stack.url}/auth/v1`,
      aud: "authenticated",
      exp: Math.floor(Date.now() / 1000) + 600,
    };
    const jwks = await (await fetch(`${stack.url}/auth/v1/.well-known/jwks.json`)).json();
    const signed = `${part({ alg: "HS256", typ: "JWT", kid: jwks.keys[0].kid })}.${part(claims)}`;
    const token = `${signed}.${createHmac("sha256", await secret()).update(signed).digest("base64url")}`;
    const headers = { apikey: stack.publishableKey, authorization: `Bearer ${token}` };
    const expected = {
      "/rest/v1/generation_models": 401,
      "/auth/v1/user": 401,
      "/storage/v1/object/generations/x": 400, // the 403 is in its body
    };
    for (const [path, status] of Object.entries(expected)) {
      const answer = await fetch(stack.url + path, { headers });
      expect(answer.status, path).toBe(status);
      await answer.body?.cancel();
    }
  });
});
