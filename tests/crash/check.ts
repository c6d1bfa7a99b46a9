// What must be true after all the crashes, each as a list of what is not.

import { createHash } from "node:crypto";
import type postgres from "postgres";
import { stillOpen } from "../database/properties/invariants.ts";
import type { Promised } from "./people.ts";
import type { Address } from "./subject.ts";

export interface Evidence {
  promised: readonly Promised[];
  tasksOfAttempt: ReadonlyMap<string, number>;
  address: Address;
}

/** Each promise that does not hold at this moment. */
export async function brokenPromises(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ promise: number; rule: string; job_id: string | null; detail: unknown }[]>`
    select promise, rule, job_id, detail from ops.invariant_violations`;
  return rows.map(({ promise, rule, job_id, detail }) =>
    `${promise}: ${rule}: job ${job_id} ${JSON.stringify(detail)}`
  );
}

type Check = (sql: postgres.Sql, evidence: Evidence) => Promise<string[]>;

export const checks: Readonly<Record<string, Check>> = {
  "every invariant holds": (sql) => brokenPromises(sql),

  "every job, attempt and hold has ended": (sql) => stillOpen(sql),

  "each key has the job that it was answered with": async (sql, { promised }) => {
    const rows = await sql<{ id: string; idempotency_key: string; user_id: string; ended_at: Date | null }[]>`
      select id, idempotency_key, user_id, ended_at from public.generation_jobs`;
    const jobs = new Map(rows.map((row) => [`${row.user_id} ${row.idempotency_key}`, row]));
    return promised.flatMap(({ userId, key, jobId }) => {
      const job = jobs.get(`${userId} ${key}`);
      if (job === undefined) return [`job ${jobId} was promised and is gone`];
      if (job.id !== jobId) return [`job ${jobId} was promised, and the key has ${job.id}`];
      return job.ended_at === null ? [`job ${jobId} has not ended`] : [];
    });
  },

  "no job made more tasks than it had attempts, and no attempt more than one": async (
    sql,
    { tasksOfAttempt },
  ) => {
    const rows = await sql<{ id: string }[]>`select id from genflow.attempts where sent_at is not null`;
    const sent = new Set(rows.map(({ id }) => id));
    return [...tasksOfAttempt].flatMap(([attempt, tasks]) =>
      tasks > 1
        ? [`attempt ${attempt} made ${tasks} tasks`]
        : sent.has(attempt)
        ? []
        : [`a task came from attempt ${attempt}, which was never sent`]
    );
  },

  "each job was charged for its pictures": async (sql) => {
    const rows = await sql<{ id: string; status: string; captured: number; images: number }[]>`
      select j.id, j.status, j.credits_captured as captured, count(i.id)::integer as images
      from public.generation_jobs j left join public.generation_images i on i.job_id = j.id
      where j.status in ('completed', 'failed')
      group by j.id having j.credits_captured is distinct from j.credits_per_image * count(i.id)::integer`;
    return rows.map((row) => `job ${row.id} (${row.status}) paid ${row.captured} for ${row.images} pictures`);
  },

  "each picture is in storage as it was recorded": async (sql, { address }) => {
    const images = await sql<{ path: string; bytes: string; sha256: string }[]>`
      select path, bytes, sha256 from public.generation_images where deleted_at is null`;
    const problems: string[] = [];
    for (const { path, bytes, sha256 } of images) {
      const response = await fetch(`${address.url}/storage/v1/object/generations/${path}`, {
        headers: { apikey: address.secretKey, authorization: `Bearer ${address.secretKey}` },
      });
      const stored = Buffer.from(await response.arrayBuffer());
      const hash = createHash("sha256").update(stored).digest("hex");
      if (!response.ok) problems.push(`${path} answered ${response.status}`);
      else if (stored.length !== Number(bytes) || hash !== sha256) {
        problems.push(`${path} is not what was recorded`);
      }
    }
    return problems;
  },

  "no object is left that no row names": async (sql) => {
    const rows = await sql<{ name: string }[]>`
      select o.name from storage.objects o where o.bucket_id = 'generations'
        and not exists (select from public.generation_images i where i.deleted_at is null and o.name = i.path)
        -- Stored and never recorded, if all tries were killed just there: it goes with its picture.
        and not exists (select from genflow.thumbnails t join public.generation_images i on i.id = t.image_id
          where i.deleted_at is null and o.name = t.thumb_path)`;
    return rows.map(({ name }) => name);
  },
};

/** Removals that are still to be done: until then an object may be there without a row. */
export async function purgesLeft(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from genflow.storage_purges p where done_at is null
      and not exists (select from public.generation_images i where i.deleted_at is null and p.path in (i.path, i.thumb_path))`;
  return row?.count ?? 0;
}

/** What befell a job, for the trail of a failure. */
export async function historyOf(sql: postgres.Sql, jobId: string): Promise<string[]> {
  const rows = await sql<
    { at: Date; event: string; status: string; attempt: number | null; detail: unknown }[]
  >`
    select at, event, status, attempt, detail from public.generation_events where job_id = ${jobId} order by at, id`;
  return rows.map(({ at, event, status, attempt, detail }) =>
    `${at.toISOString()} ${event} ${status} ${attempt ?? ""} ${JSON.stringify(detail)}`
  );
}

export async function summaryOf(sql: postgres.Sql): Promise<string> {
  const rows = await sql<{ status: string; jobs: number; attempts: number }[]>`
    select j.status, count(distinct j.id)::integer as jobs, count(a.id)::integer as attempts
    from public.generation_jobs j left join genflow.attempts a on a.job_id = j.id group by j.status order by j.status`;
  return rows.map(({ status, jobs, attempts }) => `${jobs} ${status} (${attempts} attempts)`).join(", ");
}
