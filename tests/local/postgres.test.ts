/** The local Postgres against real servers: its life, its likeness to hosted, its migrations. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  cloneDatabase,
  type Cluster,
  createTemplate,
  migrate,
  preparePlatform,
  resolveDataHome,
  startCluster,
} from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const folder = await temporaryFolder();
const scratch = folder.path;
afterAll(() => folder.remove());

describe("a cluster", () => {
  test("keeps its data between starts and leaves no process when stopped", async () => {
    const dataDirectory = join(scratch, "kept");
    const first = await startCluster({ dataDirectory });
    await query(first.adminUrl, "create table kept as select lower('ÄÖÜ É') as word");
    await Promise.all([first.stop(), first.stop()]);
    expect(isAlive(first.pid)).toBe(false);

    const second = await startCluster({ dataDirectory });
    expect(await query(second.adminUrl, "table kept")).toEqual([{ word: "äöü é" }]);
    await second.stop();
  });

  test("ends with its owner, even one that was killed, and starts again with its data", async () => {
    const dataDirectory = join(scratch, "killed");
    const { owner, pid, adminUrl } = await startOwner(dataDirectory);
    await query(adminUrl, "create table kept as select 1 as one");
    owner.kill("SIGKILL");
    await once(owner, "exit");
    const cluster = await startCluster({ dataDirectory });
    expect(await query(cluster.adminUrl, "table kept")).toEqual([{ one: 1 }]);
    await cluster.stop();

    const again = await startOwner(dataDirectory);
    again.owner.kill("SIGKILL");
    await vi.waitFor(() => expect([isAlive(pid), isAlive(again.pid)]).toEqual([false, false]), 5_000);
  });

  test.runIf(process.platform === "linux")(
    "that outlived both its owner and its guard is ended by the next start",
    async () => {
      const dataDirectory = join(scratch, "orphaned");
      const { owner, pid } = await startOwner(dataDirectory);
      process.kill(await guardOf(dataDirectory), "SIGKILL");
      owner.kill("SIGKILL");
      await once(owner, "exit");
      expect(isAlive(pid)).toBe(true);
      const cluster = await startCluster({ dataDirectory });
      expect(isAlive(pid)).toBe(false);
      await cluster.stop();
    },
  );

  test("is not taken away from an owner that is still alive", async () => {
    const dataDirectory = join(scratch, "owned");
    const { owner, pid } = await startOwner(dataDirectory);
    await expect(startCluster({ dataDirectory })).rejects.toThrow(
      `process ${pid}, started by process ${owner.pid}`,
    );
    expect(isAlive(pid)).toBe(true);
    owner.kill("SIGKILL");
    await once(owner, "exit");
    await (await startCluster({ dataDirectory })).stop();
  });

  test("starts although a crash left a postmaster.pid whose number belongs to another process now", async () => {
    const dataDirectory = join(scratch, "crashed");
    const first = await startCluster({ dataDirectory });
    await first.stop();
    const { uid, gid } = await stat(first.pgdata); // Postgres heeds only processes of its own account
    const stranger = spawn("/bin/sh", ["-c", "read _"], { uid, gid });
    await once(stranger, "spawn");
    await writeFile(join(first.pgdata, "postmaster.pid"), `${stranger.pid}\n${first.pgdata}\n`, {
      mode: 0o644,
    });
    await (await startCluster({ dataDirectory })).stop();
    expect(isAlive(stranger.pid!)).toBe(true);
    stranger.kill();
  });

  test("says which port is taken when it was asked for that one", async () => {
    const first = await startCluster({ dataDirectory: join(scratch, "port-a") });
    await expect(startCluster({ dataDirectory: join(scratch, "port-b"), port: first.port }))
      .rejects.toThrow(/Address already in use/);
    await first.stop();
  });

  // Skipped for an ordinary user (2026-11-22): only root has to hand Postgres to another account.
  test.runIf(process.getuid?.() === 0)(
    "of a project under a private home, started by root, lives under the temporary directory",
    async () => {
      const home = join(scratch, "private-home");
      const local = join(home, "project/.local");
      await mkdir(local, { recursive: true });
      await chmod(home, 0o700);
      const cluster = await startCluster({ dataDirectory: local });
      const resolved = await resolveDataHome(local);
      expect(resolved).toMatch(new RegExp(`^${tmpdir()}/genflow-[0-9a-f]{12}$`));
      expect(cluster.pgdata.startsWith(resolved)).toBe(true);
      expect((await stat(resolved)).mode & 0o077).toBe(0o011); // others pass through, and neither list nor write
      await cluster.stop();
      await rm(resolved, { recursive: true });
    },
  );
});

describe.each([17, 15] as const)("a prepared database on PostgreSQL %i", (major) => {
  let cluster: Cluster;
  let admin: postgres.Sql;
  let directory: string;

  beforeAll(async () => {
    cluster = await startCluster({ dataDirectory: join(scratch, `platform-${major}`), major });
    directory = await migrations(`good-${major}`, { "20260101000000_first.sql": goodMigration });
    await createTemplate(cluster, { directory, name: "template_good" });
    await preparePlatform(cluster);
    await migrate(cluster, { directory });
    admin = postgres(cluster.adminUrl, { max: 1, onnotice: () => {} });
  });
  afterAll(async () => {
    await admin?.end();
    await cluster?.stop();
  });

  test("takes migrations as the plain role postgres, with what hosted allows it on foreign tables", async () => {
    expect(
      await admin`select relowner::regrole::text as owner from pg_class where oid = 'public.notes'::regclass`,
    )
      .toEqual([{ owner: "postgres" }]);
    expect(
      await admin`select polname from pg_policy where polrelid in ('storage.objects'::regclass, 'realtime.messages'::regclass) order by 1`,
    )
      .toEqual([{ polname: "own channel" }, { polname: "own files" }]);
    expect(await admin`select extname from pg_extension where extname in ('pg_cron', 'pg_net') order by 1`)
      .toEqual([{ extname: "pg_cron" }, { extname: "pg_net" }]);
    await admin`insert into auth.users (id, email) values (gen_random_uuid(), 'a@example.com')`;
    await admin`delete from auth.users`;
    expect(await admin`select body from public.notes`).toEqual([{ body: "a user is gone" }]);
  });

  test("is not migrated twice, and refuses a migration that was edited after it had been applied", async () => {
    expect(await migrate(cluster, { directory })).toEqual([]);
    const edited = await migrations(`edited-${major}`, {
      "20260101000000_first.sql": `${goodMigration}\nselect 1;`,
    });
    await expect(migrate(cluster, { directory: edited })).rejects.toThrow(
      /was changed after it had been applied/,
    );
  });

  test("undoes a failing migration whole and names its file and line", async () => {
    const failing = await migrations(`failing-${major}`, {
      "20260101000000_first.sql": goodMigration,
      "20260102000000_broken.sql":
        "-- ä€\ncreate table public.half (id int);\n\n\nselect\n  1 / nothing_here;",
    });
    await expect(migrate(cluster, { directory: failing }))
      .rejects.toThrow(/20260102000000_broken\.sql:6: 42703 column "nothing_here" does not exist/);
    expect(await admin`select to_regclass('public.half') as half`).toEqual([{ half: null }]);
  });

  test.each([
    ["insert into vault.secrets (secret) values ('x')", "42501"],
    ["insert into cron.job (schedule, command) values ('* * * * *', 'select 1')", "42501"],
    ["delete from storage.objects", "42501"],
    ["select cron.unschedule('nobody')", "could not find valid entry for job 'nobody'"],
    ["select cron._store('x', '* * * * *', 'select 1', 'postgres', 'supabase_admin', true)", "42501"],
    [
      "select net.http_post('http://x', '{}', headers => '{\"content-type\": \"text/plain\"}')",
      "Content-Type",
    ],
  ])("refuses %s", async (statement, reason) => {
    const refused = await migrations(`refused-${major}`, {
      "20260101000000_first.sql": goodMigration,
      "20260102000000_refused.sql": `${statement};`,
    });
    await expect(migrate(cluster, { directory: refused })).rejects.toThrow(reason);
  });

  test.each([
    "60 seconds",
    "0 seconds",
    "61 * * * *",
    "* * * *",
    "* * * * * *",
    "*/0 * * * *",
    "5-1 * * * *",
    "x",
  ])(
    "refuses to schedule '%s'",
    async (schedule) => {
      await expect(admin`select cron.schedule('x', ${schedule}, 'select 1')`).rejects.toThrow(
        "invalid schedule",
      );
    },
  );

  test("keeps secrets that only their functions write", async () => {
    const sql = postgres(cluster.databaseUrl, { max: 1 });
    await sql`select vault.create_secret('geheim ä', 'name', 'what for')`;
    await expect(sql`select vault.create_secret('other', 'name')`).rejects.toMatchObject({ code: "23505" });
    await sql`select vault.update_secret(id, 'neu') from vault.secrets`;
    expect(await sql`select name, description, decrypted_secret from vault.decrypted_secrets`)
      .toEqual([{ name: "name", description: "what for", decrypted_secret: "neu" }]);
    await sql`delete from vault.secrets`;
    await sql.end();
  });

  test("schedules a named job once, and leaves an inactive one inactive", async () => {
    const jobs = await admin`select schedule, command, username, active from cron.job where jobname = 'tick'`;
    expect(jobs).toEqual([{
      schedule: "* * * * *",
      command: "select 2",
      username: "postgres",
      active: true,
    }]);
    const sql = postgres(cluster.databaseUrl, { max: 1 });
    await sql`select cron.alter_job(jobid, active => false) from cron.job`;
    await sql`select cron.schedule('tick', '5 seconds', 'select 3')`;
    expect(await sql`select schedule, active from cron.job`).toEqual([{
      schedule: "5 seconds",
      active: false,
    }]);
    await sql.end();
  });

  test("loses a message that has no partition with a warning, not with the transaction", async () => {
    const warnings: string[] = [];
    const sql = postgres(cluster.databaseUrl, {
      max: 1,
      onnotice: (notice) => warnings.push(notice.message ?? ""),
    });
    await sql.begin(async (transaction) => {
      await transaction`select realtime.send('{"a": 1}', 'event', 'topic')`;
      expect(await transaction`select realtime.topic()`).toEqual([{ topic: null }]);
    });
    expect(warnings).toEqual([expect.stringMatching(/^WarnSendingBroadcastMessage: no partition/)]);
    await sql.end();
  });

  test("reads a caller's claims in both styles", async () => {
    const id = "00000000-0000-4000-8000-000000000001";
    for (
      const [name, value] of [["request.jwt.claim.sub", id], [
        "request.jwt.claims",
        JSON.stringify({ sub: id }),
      ]]
    ) {
      await admin.begin(async (transaction) => {
        await transaction`select set_config(${name!}, ${value!}, true)`;
        expect(await transaction`select auth.uid()`).toEqual([{ uid: id }]);
      });
    }
  });

  test("can be prepared again, and is cloned with everything in it", async () => {
    await preparePlatform(cluster);
    await cloneDatabase(cluster, { template: "template_good", name: "copy" });
    const copy = cluster.url("postgres", "copy");
    expect(await query(copy, "select jobname from cron.job")).toEqual([{ jobname: "tick" }]);
    expect(await query(copy, "create schema mine; select 1 as owner")).toBeTruthy();
  });
});

const goodMigration = `
-- ü: two bytes, one character
create extension if not exists pg_cron with schema pg_catalog;
create extension if not exists pg_net;
create extension if not exists pgcrypto with schema extensions;
create schema app;
create table app.members (user_id uuid);
create table public.notes (body text not null);
create function public.said() returns text language sql set search_path = '' as $$ select 'ü' $$;
create function app.on_user_deleted() returns trigger language plpgsql security definer set search_path = ''
as $$ begin insert into public.notes values ('a user is gone'); return null; end $$;
create trigger gone after delete on auth.users for each row execute function app.on_user_deleted();
create policy "own files" on storage.objects for select to authenticated
  using ((storage.foldername(name))[1] = (select auth.uid())::text and exists (select from app.members));
create policy "old" on realtime.messages for select using (true);
drop policy "old" on realtime.messages;
create policy "own channel" on realtime.messages for select to authenticated
  using ((select realtime.topic()) = (select auth.uid())::text);
insert into storage.buckets (id, name) values ('files', 'files');
select cron.schedule('tick', '10 seconds', 'select 1');
select cron.schedule('tick', '* * * * *', 'select 2');
`;

async function migrations(name: string, files: Record<string, string>): Promise<string> {
  const directory = join(scratch, name);
  await mkdir(directory, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text);
  return directory;
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const sql = postgres(url, { max: 1 });
  try {
    return [...await sql.unsafe(statement)];
  } finally {
    await sql.end();
  }
}

async function startOwner(
  directory: string,
): Promise<{ owner: ChildProcess; pid: number; adminUrl: string }> {
  const owner = spawn(process.execPath, [join(import.meta.dirname, "cluster-owner.ts"), directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(owner.stdout!, "data");
  return { owner, ...JSON.parse(String(line)) };
}

async function guardOf(directory: string): Promise<number> {
  for (const name of await readdir("/proc")) {
    const command = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => ""); // not a process, or just gone
    if (command.startsWith("/bin/sh") && command.includes(directory)) return Number(name);
  }
  throw new Error(`No guard watches ${directory}.`);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH: no such process
  }
}
