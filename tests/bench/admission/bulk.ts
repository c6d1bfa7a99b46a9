// Rows by the hundred thousand, as the kernel would have written them one by one: whole lives, and a ledger that adds up.

import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import { modelId, request, requestHash } from "./kernel.ts";

/** So many users with so many jobs each. The jobs of all crowds are mixed in time. */
export interface Crowd {
  users: number;
  jobsPerUser: number;
}

/** Answers the users' ids, crowd by crowd. */
export async function loadQueued(
  admin: postgres.Sql,
  crowds: readonly Crowd[],
  readyPerUser: number,
): Promise<string[][]> {
  return await load(admin, crowds, async () => {
    await admin`
      insert into public.generation_jobs (id, user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images,
        trace_id, credits_per_image, credits_held, seq, created_at, updated_at, ready_at, ready_order)
      select j.id, j.user_id, j.id, ${requestHash}, m.id, ${request.aspectRatio}, 1, j.id::text,
        m.credits_per_image, m.credits_per_image, j.k, now() + j.later, now() + j.later,
        case when j.k <= ${readyPerUser}::integer then now() + j.later end,
        case when j.k <= ${readyPerUser}::integer then now() + j.later end
      from bench_jobs j join public.generation_models m on m.id = ${modelId}`;
    await admin`
      insert into public.generation_events (job_id, user_id, at, event, status, detail)
      select id, user_id, created_at, 'queued', 'queued', jsonb_build_object('credits_held', credits_held)
      from public.generation_jobs`;
  });
}

/** Answers the users' ids, crowd by crowd. */
export async function loadFinished(admin: postgres.Sql, crowds: readonly Crowd[]): Promise<string[][]> {
  return await load(admin, crowds, async () => {
    await admin`
      insert into public.generation_jobs (id, user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images,
        trace_id, status, credits_per_image, credits_held, credits_captured, seq, created_at, updated_at,
        submitting_at, processing_at, persisting_at, ended_at, attempt_id)
      select j.id, j.user_id, j.id, ${requestHash}, m.id, ${request.aspectRatio}, 1, j.id::text,
        'completed', m.credits_per_image, m.credits_per_image, m.credits_per_image, j.k, t.at, t.at,
        t.at, t.at, t.at, t.at, j.id
      from bench_jobs j join public.generation_models m on m.id = ${modelId}
        cross join lateral (select now() + j.later as at) t`;
    await admin`
      insert into genflow.attempts (id, job_id, user_id, number, model_id, claim_id, claimed_at, lease_expires_at, send_id,
        sent_at, submission, task_id, result_status, result_at, output_urls, closed_at, closed_how)
      select attempt_id, id, user_id, 1, model_id, id, created_at, created_at, id,
        created_at, 'accepted', id::text, 'completed', created_at, '{https://example.com/1}', created_at, 'delivered'
      from public.generation_jobs`;
    await admin`
      insert into public.generation_events (job_id, user_id, at, event, status, attempt)
      select id, user_id, created_at, 'completed', 'completed', 1 from public.generation_jobs`;
  });
}

/** Into a database without jobs. Ids that only have to differ from row to row of their table are one and the same. */
async function load(
  admin: postgres.Sql,
  crowds: readonly Crowd[],
  insertJobs: () => Promise<void>,
): Promise<string[][]> {
  const ids = crowds.map(({ users }) => Array.from({ length: users }, () => randomUUID()));
  await withoutIndexes(admin, async () => {
    await admin`create temporary table bench_crowd (n bigint generated always as identity, user_id uuid, jobs integer)`;
    for (const [at, { jobsPerUser }] of crowds.entries()) {
      await admin`insert into bench_crowd (user_id, jobs) select id, ${jobsPerUser} from unnest(${ids[
        at
      ]!}::uuid[]) id`;
    }
    // The ids grow with the time: an index that grows at its end takes a million entries several times faster.
    await admin`
      create temporary table bench_jobs as
      select i.id, t.user_id, t.k, interval '-1 hour' + i.turn * interval '1 microsecond' as later
      from (select c.user_id, k, row_number() over (order by k, c.n) as turn
          from bench_crowd c cross join generate_series(1, c.jobs) k) t
        join (select id, row_number() over (order by id) as turn
          from (select gen_random_uuid() as id
            from generate_series(1, (select sum(jobs) from bench_crowd))) random) i using (turn)
      order by i.turn`;
    await admin`insert into auth.users (id, email, email_confirmed_at)
      select user_id, user_id || '@example.com', now() from bench_crowd`;
    await insertJobs();
    await admin`insert into public.generation_prompts (job_id, user_id, prompt)
      select id, user_id, ${request.prompt} from public.generation_jobs`;
    await insertMoney(admin);
    await admin`drop table bench_crowd, bench_jobs`;
  });
  await checkMoney(admin);
  return ids;
}

/** What each user was granted covers the jobs and leaves as much again. */
async function insertMoney(admin: postgres.Sql): Promise<void> {
  await admin`
    insert into public.credit_entries (user_id, kind, amount, reference, created_at)
    select c.user_id, 'grant', 2 * m.credits_per_image * c.jobs, 'sign-up', now() - interval '2 days'
    from bench_crowd c join public.generation_models m on m.id = ${modelId}`;
  await admin`
    insert into public.credit_entries (user_id, kind, amount, job_id, created_at)
    select user_id, 'reserve', -credits_held, id, created_at from public.generation_jobs`;
  await admin`
    insert into public.credit_entries (user_id, kind, amount, captured, job_id, created_at)
    select user_id, 'close', credits_held - credits_captured, credits_captured, id, ended_at
    from public.generation_jobs where ended_at is not null`;
  await admin`
    insert into genflow.accounts (user_id, balance, sign_up_granted_at, feed_seq)
    select c.user_id, m.credits_per_image * c.jobs, now() - interval '2 days', c.jobs
    from bench_crowd c join public.generation_models m on m.id = ${modelId}`;
  await admin`
    insert into genflow.spend (day, credits, starts)
    select (created_at at time zone 'UTC')::date, sum(credits_held), count(*) from public.generation_jobs group by 1`;
}

async function checkMoney(admin: postgres.Sql): Promise<void> {
  const [row] = await admin<{ wrong: string }[]>`
    select count(*) as wrong from genflow.accounts a
      left join (select user_id, sum(amount) as balance from public.credit_entries group by user_id) e using (user_id)
    where a.balance is distinct from coalesce(e.balance, 0)`;
  if (Number(row!.wrong) !== 0) throw new Error(`${row!.wrong} loaded accounts do not match their ledger`);
}

/** What jobs are written into. */
export const loadedTables = [
  "public.generation_jobs",
  "public.generation_prompts",
  "public.generation_events",
  "public.generation_images",
  "public.credit_entries",
  "genflow.attempts",
];

/** No triggers meanwhile, and the indexes that hold no constraint are made when the rows are there: several times faster. */
export async function withoutIndexes(admin: postgres.Sql, insert: () => Promise<void>): Promise<void> {
  const indexes = await admin<{ name: string; definition: string }[]>`
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition
    from pg_index i
    where i.indrelid = any (${loadedTables}::text[]::regclass[])
      and not exists (select 1 from pg_constraint c where c.conindid = i.indexrelid)`;
  await admin.unsafe(`set session_replication_role = replica; set synchronous_commit = off;
    set maintenance_work_mem = '256MB'; set work_mem = '256MB'; set jit = off`);
  for (const { name } of indexes) await admin.unsafe(`drop index ${name}`);
  await insert();
  for (const { definition } of indexes) await admin.unsafe(definition);
  await admin.unsafe(`reset session_replication_role; reset synchronous_commit;
    reset maintenance_work_mem; reset work_mem; reset jit`);
}
