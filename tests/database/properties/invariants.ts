// What holds after every committed transaction, as one statement each: it sees one moment of the database. The rules
// are written down here anew, with none of the kernel's own functions.

import type postgres from "postgres";

const invariants: Record<string, string> = {
  "a balance is the sum of its user's entries, and not negative": `
    select a.user_id, a.balance, sum(e.amount)
    from genflow.accounts a left join public.credit_entries e on e.user_id = a.user_id
    group by a.user_id having a.balance <> coalesce(sum(e.amount), 0) or a.balance < 0`,
  "a job has one reserve, of what it holds, which is its frozen price times its pictures": `
    select j.id from public.generation_jobs j left join public.credit_entries e on e.job_id = j.id and e.kind = 'reserve'
    group by j.id having count(e.id) <> 1 or sum(e.amount) <> -j.credits_held
      or j.credits_held <> j.credits_per_image * j.num_images`,
  "a job has a close if it captured something or nothing for good, else none; captured and released are what was held":
    `
    select j.id, j.status, j.credits_held, j.credits_captured
    from public.generation_jobs j left join public.credit_entries e on e.job_id = j.id and e.kind = 'close'
    group by j.id having count(e.id) <> case when j.credits_captured is null then 0 else 1 end
      or sum(e.captured) <> j.credits_captured or sum(e.captured) + sum(e.amount) <> j.credits_held`,
  "no hold outlives its job and attempts": `
    select j.id, j.status from public.generation_jobs j
    where j.ended_at is not null and j.credits_captured is null
      and not exists (select from genflow.attempts a where a.job_id = j.id and a.closed_at is null)`,
  "only a canceled job is ended with an open hold, and no job that goes on has closed its own": `
    select id, status from public.generation_jobs
    where (ended_at is not null and credits_captured is null and status <> 'canceled')
      or (ended_at is null and credits_captured is not null)`,
  "a completed job is charged for its pictures, a failed one for nothing": `
    select j.id, j.credits_captured from public.generation_jobs j left join public.generation_images i on i.job_id = j.id
    where j.status in ('completed', 'failed')
    group by j.id having j.credits_captured <> j.credits_per_image * count(i.id) or (j.status = 'completed') <> (count(i.id) > 0)`,
  "a canceled job is charged for no more than what was delivered": `
    select j.id from public.generation_jobs j where j.status = 'canceled' and j.credits_captured > j.credits_per_image * coalesce(
      (select max(cardinality(a.output_urls)) from genflow.attempts a where a.job_id = j.id and a.closed_how = 'delivered'), 0)`,
  "no job has two attempts that were never closed": `
    select a.job_id from genflow.attempts a
    where a.closed_at is null and not exists (select from public.generation_events e
      where e.job_id = a.job_id and e.attempt = a.number and e.event = 'attempt_closed')
    group by a.job_id having count(*) > 1`,
  "a job that waits has a place only while it takes part or comes back, and a running job follows an attempt of its own":
    `
    select j.id from public.generation_jobs j
    where (j.ready_at is not null and j.ready_order is null)
      or (j.status in ('submitting', 'unknown', 'processing', 'persisting')
        and not exists (select from genflow.attempts a where a.id = j.attempt_id and a.job_id = j.id))`,
  "a feed's messages are numbered 1 to the account's last, without gaps": `
    select a.user_id, a.feed_seq, m.messages from genflow.accounts a left join (
      select topic, count(*) as messages, count(distinct payload ->> 'seq') as numbers, max((payload ->> 'seq')::bigint) as last
      from realtime.messages group by topic) m on m.topic = 'generations:' || a.user_id
    where (a.feed_seq, a.feed_seq, a.feed_seq) is distinct from (coalesce(m.messages, 0), coalesce(m.numbers, 0), coalesce(m.last, 0))`,
  "the day's spend is what was held and started": `
    select from (select coalesce(sum(credits), 0) as credits, coalesce(sum(starts), 0) as starts from genflow.spend) s,
      (select coalesce(sum(credits_held), 0) as credits, count(*) as starts from public.generation_jobs) j
    where (s.credits, s.starts) <> (j.credits, j.starts)`,
};

/** Names every rule that does not hold now, with up to three rows that break it. */
export async function brokenInvariants(sql: postgres.Sql): Promise<string[]> {
  const named = Object.entries(invariants);
  const looks = named.map(([, rows], at) => `
    select ${at} as at, to_jsonb(broken) as row from (${rows} limit 3) broken`);
  const broken = await sql.unsafe<{ at: number; row: unknown }[]>(looks.join(" union all "));
  return broken.map(({ at, row }) => `${named[at]![0]}: ${JSON.stringify(row)}`);
}

/** Names every job and attempt that has not ended, and every open hold: none is left once everything is over. */
export async function stillOpen(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ what: string }[]>`
    select 'job ' || status as what from public.generation_jobs where ended_at is null
    union all select 'hold of a job ' || status from public.generation_jobs where ended_at is not null and credits_captured is null
    union all select 'attempt ' || coalesce(submission, 'without an answer') from genflow.attempts where closed_at is null`;
  return rows.map((row) => row.what);
}

/** How many deadlocks this database has met. A connection reports what it met when it ends. */
export async function deadlocks(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ deadlocks: number }[]>`
    select deadlocks::integer as deadlocks from pg_stat_database where datname = current_database()`;
  return row!.deadlocks;
}
