// Shorter times, as rows of the settings: what takes ten minutes or hours in service must end within a test. Their sums
// are those of the defaults: a submit ends before its lease, a lost worker before its unknown is given up, and a
// picture's storing before its purge.

import type postgres from "postgres";

export const wallClockSeconds = 40;
const submitDeadlineSeconds = 5;

const times = {
  submit_deadline_seconds: submitDeadlineSeconds,
  claim_lease_seconds: 9,
  submit_lease_seconds: 12,
  backoff_base_seconds: 1,
  backoff_max_seconds: 4,
  unknown_grace_seconds: wallClockSeconds + submitDeadlineSeconds,
  listing_margin_seconds: 5,
  listing_interval_seconds: 5,
  attempt_max_age_without_task_seconds: 75,
  attempt_max_age_with_task_seconds: 120,
  first_poll_seconds: 2,
  poll_max_seconds: 6,
  callback_poll_interval_seconds: 2,
  processing_deadline_seconds: 60,
  // 10 s of it are kept for writing down what was stored.
  persist_lease_seconds: 25,
  persist_deadline_seconds: 180,
  runtime_wall_clock_seconds: wallClockSeconds,
  queue_deadline_seconds: 600,
  breaker_open_seconds: 2,
  thumbnail_retry_seconds: 2,
};

const room = {
  user_running_cap: 3,
  user_pending_cap: 100_000,
  user_start_burst: 100_000,
  user_starts_per_minute: 100_000,
  sign_up_grant_credits: 100_000,
};

export async function shortenTimes(sql: postgres.Sql, runningCap: number): Promise<void> {
  await sql`update genflow.settings set ${sql({ ...times, ...room })} where singleton`;
  await sql`update genflow.provider set running_cap = ${runningCap}, start_burst = 1000, starts_per_minute = 10000 where singleton`;
  await sql`update public.generation_models set expected_seconds = 1`;
  await sql`update cron.job set schedule = '2 seconds' where jobname = 'genflow-sweep'`;
}
