-- Schemas, the ports of time and chance, and the one row of settings.
--
-- `public` holds what an owner may read and the kernel's entry points; `genflow` holds what only the kernel
-- touches and is not exposed to the API. Every function in this project sets an empty search_path.

create schema genflow;
comment on schema genflow is 'Genflow''s own tables and functions. Not exposed to the API.';
revoke all on schema genflow from public, anon, authenticated, service_role;

create extension if not exists pgcrypto with schema extensions;

-- Time and chance come through these functions alone, so that a test harness can replace them in its own
-- template database. There is no switch in the product that changes what they answer.

create function genflow.clock() returns timestamptz
language sql volatile security definer set search_path = ''
as $$ select pg_catalog.clock_timestamp() $$;
comment on function genflow.clock() is
  'The time. clock_timestamp(), not now(): a transaction that waited for a lock must see the time after the wait.';

create function genflow.new_id() returns uuid
language sql volatile security definer set search_path = ''
as $$ select pg_catalog.gen_random_uuid() $$;
comment on function genflow.new_id() is 'A fresh identifier.';

create function genflow.random_unit() returns double precision
language sql volatile security definer set search_path = ''
as $$ select pg_catalog.random() $$;
comment on function genflow.random_unit() is 'A number in [0, 1): jitter and seeds are drawn from it.';

revoke execute on function genflow.clock(), genflow.new_id(), genflow.random_unit()
  from public, anon, authenticated, service_role;

create table genflow.settings (
  singleton boolean primary key default true check (singleton),

  -- submitting
  submit_deadline_seconds integer not null default 30 check (submit_deadline_seconds between 1 and 120),
  claim_lease_seconds integer not null default 45 check (claim_lease_seconds between 1 and 600),
  submit_lease_seconds integer not null default 60 check (submit_lease_seconds between 1 and 600),
  max_attempts smallint not null default 3 check (max_attempts between 1 and 10),
  backoff_base_seconds integer not null default 5 check (backoff_base_seconds between 1 and 600),
  backoff_max_seconds integer not null default 300 check (backoff_max_seconds between 1 and 3600),

  -- submits whose answer is not known
  unknown_grace_seconds integer not null default 600 check (unknown_grace_seconds between 1 and 86400),
  listing_margin_seconds integer not null default 60 check (listing_margin_seconds between 1 and 3600),
  listing_interval_seconds integer not null default 60 check (listing_interval_seconds between 1 and 3600),
  attempt_max_age_without_task_seconds integer not null default 3600
    check (attempt_max_age_without_task_seconds between 1 and 604800),
  attempt_max_age_with_task_seconds integer not null default 10800
    check (attempt_max_age_with_task_seconds between 1 and 604800),

  -- waiting for the provider
  first_poll_seconds integer not null default 15 check (first_poll_seconds between 1 and 3600),
  poll_growth numeric not null default 1.5 check (poll_growth between 1 and 10),
  poll_max_seconds integer not null default 120 check (poll_max_seconds between 1 and 3600),
  callback_poll_interval_seconds integer not null default 10 check (callback_poll_interval_seconds between 1 and 3600),
  processing_deadline_seconds integer not null default 1800 check (processing_deadline_seconds between 1 and 86400),

  -- storing
  persist_lease_seconds integer not null default 140 check (persist_lease_seconds between 1 and 140),
  persist_deadline_seconds integer not null default 21600 check (persist_deadline_seconds between 1 and 86400),
  runtime_wall_clock_seconds integer not null default 400 check (runtime_wall_clock_seconds between 1 and 3600),

  -- admission
  queue_deadline_seconds integer not null default 86400 check (queue_deadline_seconds between 1 and 604800),
  user_running_cap integer not null default 2 check (user_running_cap between 0 and 1000),
  user_pending_cap integer not null default 20 check (user_pending_cap between 0 and 100000),
  user_start_burst integer not null default 10 check (user_start_burst between 1 and 100000),
  user_starts_per_minute integer not null default 10 check (user_starts_per_minute between 1 and 100000),
  intake_paused boolean not null default false,
  intake_retry_after_seconds integer not null default 60 check (intake_retry_after_seconds between 1 and 86400),

  -- money
  sign_up_grant_credits integer not null default 20 check (sign_up_grant_credits between 0 and 1000000),
  max_credits_per_day integer check (max_credits_per_day >= 0),
  max_credits_per_month integer check (max_credits_per_month >= 0),
  max_starts_per_day integer check (max_starts_per_day >= 0),
  max_starts_per_month integer check (max_starts_per_month >= 0),
  min_provider_balance_usd numeric check (min_provider_balance_usd >= 0),

  -- the circuit breaker on the provider
  breaker_failure_threshold integer not null default 5 check (breaker_failure_threshold between 1 and 1000),
  breaker_open_seconds integer not null default 30 check (breaker_open_seconds between 1 and 3600),

  -- cancelling and keeping
  tell_provider_on_cancel boolean not null default false,
  sweep_seconds integer not null default 30 check (sweep_seconds between 1 and 100),
  sweep_history_days integer not null default 3 check (sweep_history_days between 1 and 365),

  -- A submit must end before its lease does, and a function that took a claim must be gone before the
  -- unknown it left is given up.
  check (submit_lease_seconds > submit_deadline_seconds),
  check (unknown_grace_seconds >= submit_deadline_seconds)
);
comment on table genflow.settings is
  'What an operator may change while the system runs. One row; every number has its unit in its name.';
comment on column genflow.settings.max_credits_per_day is 'Spend guard: credits held a UTC day for the whole project; null = no limit.';
comment on column genflow.settings.min_provider_balance_usd is 'Claims pause while the provider''s last known balance is below; null = no limit.';

insert into genflow.settings default values;

revoke all on table genflow.settings from public, anon, authenticated, service_role;
