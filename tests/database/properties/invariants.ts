// What holds after every committed transaction, as one statement: it sees one moment of the database. The promises
// stand in the view ops.invariant_violations, but for those on time: a trial's clock leaps without a sweep. Here is what
// only a database whose rows were never pruned can say.

import type postgres from "postgres";

const unpruned: Record<string, string> = {
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
  const looks = Object.entries(unpruned).map(([, rows], at) => `
    select ${at} as at, to_jsonb(broken) as row from (${rows} limit 3) broken`);
  const broken = await sql.unsafe<{ at: number | null; row: { rule?: string } }[]>(`
    select null::integer as at, to_jsonb(violation) as row from ops.invariant_violations violation where promise not in (4, 7)
    union all ${looks.join(" union all ")}`);
  return broken.map(({ at, row }) =>
    `${at === null ? row.rule : Object.keys(unpruned)[at]}: ${JSON.stringify(row)}`
  );
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
