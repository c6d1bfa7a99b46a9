// What becomes of reference images: kept while a job needs them or may be tried again, removed after that, and never
// under a start's hands.

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { createScenario, startArguments } from "./scenario.ts";

const db = await openDatabase();
const { kernel, sql } = db;
const scenario = createScenario(db);

const bucket = "generation-inputs";
const hour = 3600;
const day = 24 * hour;

/** Uploads without an app: the row that Storage would write. */
async function upload(userId: string, name: string = randomUUID()): Promise<string> {
  const path = `${userId}/${name}`;
  await sql`insert into storage.objects (bucket_id, name, created_at, updated_at)
    values (${bucket}, ${path}, genflow.clock(), genflow.clock())`;
  return path;
}

const edit = (...inputPaths: string[]) => ({ modelId: "nano-banana-edit", inputPaths });

async function purge(): Promise<number> {
  const [row] = await sql<{ queued: number }[]>`select genflow.purge_inputs() as queued`;
  return row?.queued ?? -1;
}

async function queued(): Promise<string[]> {
  const rows = await sql<{ path: string }[]>`
    select path from genflow.storage_purges where bucket_id = ${bucket} and done_at is null order by path`;
  return rows.map(({ path }) => path);
}

/** Claims what is due and removes it, as the sweep function does with the Storage API's help. */
async function removeClaimed(): Promise<string[]> {
  const claimId = randomUUID();
  const { purges } = await kernel.claimPurges(claimId, 100);
  const paths = purges.map(({ path }) => path);
  await sql.begin(async (transaction) => {
    await transaction`set local storage.allow_delete_query = 'true'`;
    await transaction`delete from storage.objects where bucket_id = ${bucket} and name = any(${paths})`;
  });
  await kernel.recordPurge(claimId, purges.map(({ id }) => id));
  return paths;
}

test("an upload that no job names is kept a day, and queued for removal once", async () => {
  const path = await upload(await db.addUser());
  await db.advance(day - 60);
  expect(await purge()).toBe(0);
  await db.advance(120);
  expect(await purge()).toBe(1);
  expect(await purge()).toBe(0);
  expect(await queued()).toEqual([path]);
  expect(await removeClaimed()).toEqual([path]);
  expect(await queued()).toEqual([]);
});

test("each sweep queues what nothing needs, and wakes its function for it in the same run", async () => {
  const path = await upload(await db.addUser());
  await sql`select vault.create_secret('http://127.0.0.1:9', 'genflow_functions_url'), vault.create_secret('secret', 'genflow_sweep_secret')`;
  await db.advance(day + 60);
  expect(await db.sweep()).toEqual([]);
  expect(await queued()).toEqual([path]);
  expect(await sql`select counts from genflow.sweeps`).toMatchObject([{ counts: { inputs: 1, woke: 1 } }]);
});

test("what a live job names is kept however long it waits, then seven days from the job's end", async () => {
  const userId = await db.addUser();
  const path = await upload(userId);
  const jobId = await scenario.start(userId, edit(path));
  await db.advance(30 * day);
  expect(await purge()).toBe(0);
  await kernel.cancel(userId, jobId);
  expect(await purge()).toBe(0);
  await db.advance(7 * day - 60);
  expect(await purge()).toBe(0);
  // Until the last minute it can be tried again with the same picture.
  await kernel.cancel(userId, await scenario.start(userId, { ...edit(path), retryOf: jobId }));
  await db.advance(7 * day - 60);
  expect(await purge()).toBe(0);
  await db.advance(120);
  expect(await purge()).toBe(1);
  expect(await queued()).toEqual([path]);
});

test("an upload of two jobs goes with the later one, whichever was started first", async () => {
  const userId = await db.addUser();
  const [shared, own] = [await upload(userId, "shared"), await upload(userId, "own")];
  const long = await scenario.start(userId, edit(shared));
  const short = await scenario.start(userId, edit(own, shared));
  await kernel.cancel(userId, short);
  await db.advance(3 * day);
  await kernel.cancel(userId, long);
  await db.advance(5 * day);
  expect(await purge()).toBe(1);
  expect(await queued()).toEqual([own]);
  await db.advance(3 * day);
  expect(await purge()).toBe(1);
  expect(await queued()).toEqual([own, shared]);
});

test("both times are settings", async () => {
  await db.settings({ unreferenced_input_hours: 48, retry_days: 1 });
  const userId = await db.addUser();
  const [named, unnamed] = [await upload(userId, "named"), await upload(userId, "unnamed")];
  await kernel.cancel(userId, await scenario.start(userId, edit(named)));
  await db.advance(day + 60);
  // Over for retries, but still as young as an upload that a start may name.
  expect(await purge()).toBe(0);
  await db.advance(day);
  expect(await purge()).toBe(2);
  expect(await queued()).toEqual([named, unnamed]);
});

test("an object that was written again is as young as its last writing; one without any time is old", async () => {
  const userId = await db.addUser();
  const [rewritten, timeless] = [await upload(userId, "rewritten"), await upload(userId, "timeless")];
  await db.advance(day + 60);
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`; // Storage's trigger stamps the real time
    await transaction`update storage.objects set updated_at = genflow.clock() where name = ${rewritten}`;
    await transaction`update storage.objects set created_at = null, updated_at = null where name = ${timeless}`;
    // Another bucket's objects say nothing of these.
    await transaction`insert into storage.objects (bucket_id, name, created_at, updated_at)
      select 'generations', name, null, null from storage.objects`;
  });
  expect(await purge()).toBe(1);
  expect(await queued()).toEqual([timeless]);
});

test("names that are in nobody's folder go after a day, and make no account", async () => {
  const userId = await db.addUser();
  const stranger = randomUUID();
  const names = [
    "loose.png",
    `${userId}.png`,
    `${userId.toUpperCase()}/a.png`,
    `{${userId}}/a.png`,
    `${stranger}/a.png`,
    "/a.png",
    "a'b\\c%_/a.png",
  ];
  for (const name of names) {
    await sql`insert into storage.objects (bucket_id, name) values (${bucket}, ${name})`;
  }
  await sql`insert into storage.objects (bucket_id, name) values ('generations', ${`${userId}/a/0-b`})`;
  await db.advance(day + 60);
  expect(await purge()).toBe(names.length);
  expect(await queued()).toEqual(names.toSorted());
  expect(await sql`select from genflow.accounts`).toEqual([]);
});

test("a path that was removed and uploaded again can be used, and is removed again", async () => {
  const userId = await db.addUser();
  const path = await upload(userId);
  await db.advance(day + 60);
  expect(await purge()).toBe(1);
  const waiting = await kernel.start(startArguments(userId, edit(path)));
  expect(waiting).toEqual({ ok: false, error: { code: "input_not_found", fields: ["inputPaths"] } });
  expect(await removeClaimed()).toEqual([path]);

  await upload(userId, path.split("/")[1]);
  const jobId = await scenario.start(userId, edit(path));
  await db.advance(day + 60);
  expect(await purge()).toBe(0);
  await kernel.cancel(userId, jobId);
  await db.advance(7 * day + 60);
  expect(await purge()).toBe(1);
  expect(await sql`select rounds_left, started_at, claim_id, done_at from genflow.storage_purges`).toEqual([
    { rounds_left: 1, started_at: null, claim_id: null, done_at: null },
  ]);
  expect(await removeClaimed()).toEqual([path]);
});

/** With an account, as most have one, or on the way to the first. */
const users: [string, () => Promise<string>, isPassedOver: boolean][] = [
  ["a user with an account", async () => {
    const userId = await db.addUser();
    await db.asUser(userId, (as) => as`select public.my_account()`);
    return userId;
  }, true],
  ["a user whose first start this is", () => db.addUser(), false],
];

test.each(users)(
  "%s: an upload that a start is just naming is not queued",
  async (_, makeUser, isPassedOver) => {
    const userId = await makeUser();
    const path = await upload(userId);
    await db.advance(day + 60);
    const { idempotencyKey, requestHash, request, traceId } = startArguments(userId, edit(path));
    const [purging] = await db.asRole("service_role", { role: "service_role" }, async (starting) => {
      await starting`select public.start_generation(${userId}, ${idempotencyKey}, ${requestHash},
      ${starting.json(request as Record<string, string>)}, ${traceId})`;
      const purging = purge();
      if (isPassedOver) await purging;
      else await expect.poll(waiting, { interval: 5 }).toBe(1);
      return [purging] as const;
    });
    expect(await purging).toBe(0);
    expect(await purge()).toBe(0);
    expect(await queued()).toEqual([]);
  },
);

test.each(users)("%s: a start that names an upload as it is queued is refused", async (_, makeUser) => {
  const userId = await makeUser();
  const path = await upload(userId);
  await db.advance(day + 60);
  const [starting] = await sql.begin(async (purging) => {
    await purging`select genflow.purge_inputs()`;
    const starting = kernel.start(startArguments(userId, edit(path)));
    await expect.poll(waiting, { interval: 5 }).toBe(1);
    return [starting] as const;
  });
  expect(await starting).toMatchObject({ ok: false, error: { code: "input_not_found" } });
  expect(await queued()).toEqual([path]);
});

async function waiting(): Promise<number> {
  const [row] = await sql<{ sessions: number }[]>`
    select count(*)::integer as sessions from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return row?.sessions ?? -1;
}

test("where there is nothing to queue nobody is waited for", async () => {
  const userId = await db.addUser();
  await scenario.start(userId, edit(await upload(userId, "kept")));
  const path = await upload(userId, "queued");
  await db.advance(day + 60);
  expect(await purge()).toBe(1);
  await db.asRole("service_role", { role: "service_role" }, async (holding) => {
    await holding`select public.await_accounts(${holding.json({ user_ids: [userId] })})`;
    await sql.begin(async (transaction) => {
      await transaction`set local lock_timeout = '2s'`;
      expect(await transaction`select genflow.purge_inputs() as queued`).toEqual([{ queued: 0 }]);
    });
  });
  expect(await queued()).toEqual([path]);
});

test("each call goes on where the last one ended, and after the last upload begins anew", async () => {
  const userId = await db.addUser();
  await sql`insert into storage.objects (bucket_id, name)
    select bucket, ${`${userId}/`} || lpad(n::text, 4, '0')
    from generate_series(1, 450) n, unnest(${[bucket, "generations"]}::text[]) bucket`;
  await db.advance(day + 60);
  const seen: [number, unknown][] = [];
  for (let call = 0; call < 5; call++) {
    const count = await purge();
    const [state] = await sql`select inputs_seen_to from genflow.sweep_state`;
    seen.push([count, state?.["inputs_seen_to"]]);
  }
  expect(seen).toEqual([
    [200, `${userId}/0200`],
    [200, `${userId}/0400`],
    [50, null],
    [0, `${userId}/0200`],
    [0, `${userId}/0400`],
  ]);
  expect(new Set(await queued()).size).toBe(450);
});

test("a call reads no more with 20,000 jobs and uploads than with 2,000", async () => {
  const userId = await db.addUser();
  await db.settings({ sign_up_grant_credits: 1_000_000 });
  const first = await scenario.start(userId, edit(await upload(userId, "0")));
  const grow = async (from: number, to: number) => {
    await sql.begin(async (transaction) => {
      await transaction`set local session_replication_role = replica`;
      await transaction`insert into storage.objects (bucket_id, name, created_at, updated_at)
        select ${bucket}, ${`${userId}/`} || n, o.created_at, o.updated_at
        from generate_series(${from}::integer, ${to}::integer) n, storage.objects o where o.name = ${`${userId}/0`}`;
      await transaction`insert into public.generation_jobs (user_id, idempotency_key, request_hash, model_id, aspect_ratio,
          num_images, input_paths, trace_id, credits_per_image, credits_held, ready_at, ready_order, created_at)
        select user_id, gen_random_uuid(), request_hash, model_id, aspect_ratio, num_images, array[${`${userId}/`} || n],
          trace_id, credits_per_image, credits_held, ready_at, ready_order, created_at
        from public.generation_jobs, generate_series(${from}::integer, ${to}::integer) n where id = ${first}`;
    });
    await sql`analyze public.generation_jobs, storage.objects`;
  };
  /** Of one call: pages touched, scans of the whole table of jobs, and look-ups in its index. */
  const cost = async () => {
    return await sql.begin(async (transaction) => {
      const [row] = await transaction<{ "QUERY PLAN": [{ Plan: Record<string, number> }] }[]>`
        explain (analyze, buffers, format json) select genflow.purge_inputs()`;
      const [scans] = await transaction<{ table: number; index: number }[]>`
        select pg_stat_get_xact_numscans('public.generation_jobs'::regclass)::integer as table,
          pg_stat_get_xact_numscans('public.generation_jobs_inputs'::regclass)::integer as index`;
      const { Plan: plan } = row!["QUERY PLAN"][0];
      return { buffers: (plan["Shared Hit Blocks"] ?? NaN) + (plan["Shared Read Blocks"] ?? NaN), ...scans };
    });
  };
  await grow(1, 2000);
  await db.advance(day + 60);
  await purge();
  const few = await cost();
  await grow(2001, 20_000);
  await purge();
  const many = await cost();
  expect(many).toMatchObject({ table: 0, index: 200 });
  // The trees of ten times as much may be a level higher.
  expect(many.buffers).toBeLessThan(2 * few.buffers);
  expect(await queued()).toEqual([]);
});
