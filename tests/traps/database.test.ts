// What a migration may do on hosted, where it is the plain role postgres': on both majors that hosted runs.

import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, migrate, preparePlatform, startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { migrationsFolder } from "./data-api.ts";

const folder = await temporaryFolder();
afterAll(() => folder.remove());

const kept = `
create extension if not exists pg_cron with schema pg_catalog;
create extension if not exists pg_net;
create policy "own files" on storage.objects for select to authenticated using (false);

create function public.keep_secret() returns void language sql security definer set search_path = ''
as $$ insert into vault.secrets (name, secret) values ('mine', 'x') $$;
create function public.write_job() returns void language sql security definer set search_path = ''
as $$ insert into cron.job (schedule, command) values ('* * * * *', 'select 1') $$;
create function public.close_net() returns void language plpgsql security definer set search_path = ''
as $$ begin revoke all on net.http_request_queue from public; end $$;
create function public.count_files_as_caller() returns bigint language sql set search_path = ''
as $$ select count(*) from storage.objects $$;
create function public.count_files_as_owner() returns bigint language sql security definer set search_path = ''
as $$ select count(*) from storage.objects $$;

create function public.digest_unqualified() returns bytea language plpgsql set search_path = ''
as $$ begin return digest('a', 'sha256'); end $$;
create function public.uuid_unqualified() returns uuid language plpgsql set search_path = ''
as $$ begin return uuid_generate_v4(); end $$;
create function public.digest_qualified() returns text language plpgsql set search_path = ''
as $$ begin return pg_catalog.left(pg_catalog.encode(extensions.digest('a', 'sha256'), 'hex'), 8); end $$;
`;

describe.each([17, 15] as const)("on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  let admin: postgres.Sql;
  let sql: postgres.Sql;

  beforeAll(async () => {
    cluster = await startCluster({ dataDirectory: `${folder.path}/${major}`, major });
    await preparePlatform(cluster);
    await migrate(cluster, { directory: await migrationsFolder(folder.path, kept) });
    admin = postgres(cluster.adminUrl, { max: 1, onnotice: () => {} });
    sql = postgres(cluster.databaseUrl, { max: 1, onnotice: () => {} });
  });
  afterAll(async () => {
    await Promise.all([admin?.end(), sql?.end()]);
    await cluster?.stop();
  });

  /** As the next migration; what is refused leaves nothing behind. */
  async function tried(statement: string): Promise<string> {
    const directory = await migrationsFolder(
      folder.path,
      kept,
      `${statement};\ndo $$ begin raise 'undone'; end $$;`,
    );
    const error = await migrate(cluster, { directory }).then(() => null, (error: Error) => error);
    return error!.message.replace(/^.*\.sql:\d+: /, "");
  }

  test.each([
    ["alter table realtime.messages enable row level security", "42501 must be owner of table messages"],
    ["create index on storage.objects (name)", "42501 must be owner of table objects"],
    ["alter table auth.users add column nickname text", "42501 must be owner of table users"],
    ["alter table auth.users owner to postgres", "42501 must be owner of table users"],
    ["drop table storage.objects", "42501 must be owner of table objects"],
    ["comment on table storage.objects is 'mine'", "42501 must be owner of table objects"],
    [
      "comment on policy \"own files\" on storage.objects is 'mine'",
      "42501 must be owner of relation objects",
    ],
    [
      "create function auth.mine() returns int language sql as 'select 1'",
      "42501 permission denied for schema auth",
    ],
    [
      "create or replace function auth.uid() returns uuid language sql as 'select null::uuid'",
      "42501 permission denied for schema auth",
    ],
    ["create table realtime.mine (id int)", "42501 permission denied for schema realtime"],
    ["create table storage.mine (id int)", "42501 permission denied for schema storage"],
    [
      "alter function storage.foldername(text) owner to postgres",
      "42501 must be owner of function foldername",
    ],
  ])("trap 2: a migration owns nothing of the platform's: %s", async (statement, refusal) => {
    expect(await tried(statement)).toContain(refusal);
  });

  test.each([
    ["alter role anon bypassrls", '42501 "anon" is a reserved role, only superusers can modify it'],
    ["alter role authenticated login", '42501 "authenticated" is a reserved role'],
    ["alter role service_role password 'x'", '42501 "service_role" is a reserved role'],
    ["alter role authenticator inherit", '42501 "authenticator" is a reserved role'],
    ["alter role anon rename to everybody", '42501 "anon" is a reserved role'],
    ["drop role service_role", '42501 "service_role" is a reserved role'],
    [
      "alter role supabase_storage_admin set search_path = ''",
      '42501 "supabase_storage_admin" is a reserved role',
    ],
    ["create role mine; grant authenticator to mine", '42501 "authenticator" role memberships are reserved'],
    ["grant pg_read_server_files to postgres", '42501 "pg_read_server_files" role memberships are reserved'],
    ["alter role postgres superuser", "42501"],
    ["set role supabase_admin", "42501 permission denied to set role"],
    ["set session authorization supabase_admin", "42501 permission denied to set session authorization"],
    ["reset session authorization", "42501"],
  ])(
    "trap 2: a migration changes no role of the platform's and becomes none: %s",
    async (statement, refusal) => {
      expect(await tried(statement)).toContain(refusal);
    },
  );

  test("trap 2: an extension that hosted does not open is refused", async () => {
    for (const name of ["file_fdw", "amcheck", "pageinspect", "pg_surgery", "plpython3u"]) {
      expect(await tried(`create extension ${name}`))
        .toContain(`42501 permission denied to create extension "${name}"`);
    }
  });

  test.each([
    "create policy mine on storage.objects for select to anon using (false); drop policy mine on storage.objects",
    "create policy mine on realtime.messages for select to anon using (false); drop policy mine on realtime.messages",
    "create function public.seen() returns trigger language plpgsql as $$ begin return null; end $$; " +
    "create trigger seen after insert on auth.users execute function public.seen(); drop trigger seen on auth.users",
    "create table public.owned (id uuid references auth.users (id) on delete cascade)",
    "alter role anon set statement_timeout = '1s'; alter role service_role set statement_timeout = '20s'",
    "alter role authenticator set pgrst.db_max_rows = '5'",
    "create role mine; grant mine to anon; drop role mine; create role other; grant anon to other",
    "create extension dblink with schema extensions; drop extension dblink",
    "create extension postgres_fdw; create extension pg_trgm with schema extensions",
  ])("trap 2: what hosted lets postgres do is not refused: %s", async (statement) => {
    expect(await tried(statement)).toContain("undone");
  });

  test.each([
    ["keep_secret", "permission denied for table secrets"],
    ["write_job", "permission denied for table job"],
  ])("trap 3: a security definer function is no superuser: %s()", async (name, message) => {
    const call = admin.begin(async (transaction) => {
      await transaction`set local role anon`;
      await transaction`select ${transaction("public")}.${transaction(name)}()`;
    });
    await expect(call).rejects.toMatchObject({ code: "42501", message });
  });

  test("trap 3: revoking pg_net's grants is a warning and changes nothing", async () => {
    const rights = () =>
      admin`select relacl::text as acl from pg_class where oid = 'net.http_request_queue'::regclass`;
    const before = await rights();
    expect(before).toEqual([{ acl: expect.stringMatching(/[{,]=arwd/) }]);
    const warnings: string[] = [];
    const direct = postgres(cluster.databaseUrl, {
      max: 1,
      onnotice: ({ message }) => warnings.push(message!),
    });
    await direct`select public.close_net()`;
    await direct.end();
    expect(warnings).toContain('no privileges could be revoked for "http_request_queue"');
    expect(await rights()).toEqual(before);
  });

  test("trap 3: a security definer function of postgres' passes row level security", async () => {
    await admin`insert into storage.buckets (id, name) values ('files', 'files') on conflict do nothing`;
    await admin`insert into storage.objects (bucket_id, name) values ('files', 'a')`;
    const [counts] = await admin.begin(async (transaction) => {
      await transaction`set local role anon`;
      return await transaction`
        select public.count_files_as_caller()::int as caller, public.count_files_as_owner()::int as owner`;
    });
    expect(counts).toEqual({ caller: 0, owner: 1 });
  });

  test("trap 5: a direct session of postgres has the server's two minutes", async () => {
    expect(await sql`show statement_timeout`).toEqual([{ statement_timeout: "2min" }]);
    expect(await sql`show lock_timeout`).toEqual([{ lock_timeout: "0" }]);
  });

  test.each([
    ["digest_unqualified", "function digest(unknown, unknown) does not exist"],
    ["uuid_unqualified", "function uuid_generate_v4() does not exist"],
  ])("trap 6: with an empty search_path, %s() does not find the extension", async (name, message) => {
    await expect(sql`select ${sql("public")}.${sql(name)}()`).rejects.toMatchObject({
      code: "42883",
      message,
    });
  });

  test("trap 6: the preinstalled extensions are in the schema extensions, and found there by name", async () => {
    const found = await sql`
      select extname from pg_extension where extnamespace = 'extensions'::regnamespace order by extname`;
    expect(found.map(({ extname }) => extname)).toEqual(["pg_stat_statements", "pgcrypto", "uuid-ossp"]);
    expect(await sql`select public.digest_qualified() as hex`).toEqual([{ hex: "ca978112" }]);
    expect(await sql`select count(*) > 0 as counts from extensions.pg_stat_statements`).toEqual([{
      counts: true,
    }]);
  });

  test("trap 6: pgjwt is not there", async () => {
    expect(await tried("create extension pgjwt")).toContain('0A000 extension "pgjwt" is not available');
  });
});
