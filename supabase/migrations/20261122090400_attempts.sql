-- Attempts at the provider, the provider itself, and what the sweep keeps.

create table genflow.attempts (
  id uuid primary key default genflow.new_id(),
  job_id uuid not null references public.generation_jobs (id) on delete cascade,
  user_id uuid not null,
  number smallint not null check (number > 0),
  model_id text not null,
  claim_id uuid not null,
  claimed_at timestamptz not null,
  lease_token uuid not null default genflow.new_id(),
  lease_expires_at timestamptz not null,
  send_id uuid,
  sent_at timestamptz,
  seed bigint,
  callback_token_hash text,
  submission text check (submission in ('accepted', 'rejected', 'unknown')),
  submission_class text,
  task_id text unique,
  result_status text,
  result_class text,
  result_at timestamptz,
  output_urls text[] not null default '{}',
  flagged boolean[] not null default '{}',
  next_poll_at timestamptz,
  polls integer not null default 0,
  poll_claim_id uuid,
  listed_at timestamptz,
  callback_poll_at timestamptz,
  unverified_callbacks integer not null default 0,
  persist_lease uuid,
  persist_claim_id uuid,
  persist_lease_expires_at timestamptz,
  persists integer not null default 0,
  next_persist_at timestamptz,
  closed_at timestamptz,
  closed_how text check (closed_how in ('never_sent', 'rejected', 'delivered', 'failed', 'absent', 'abandoned')),
  unique (job_id, number),
  check ((closed_at is null) = (closed_how is null)),
  check ((send_id is null) = (sent_at is null))
);
comment on table genflow.attempts is
  'One submit each. Jobs absorb, attempts do not: an attempt stays open, and is polled, until what became of it is known.';
comment on column genflow.attempts.lease_token is 'Fencing token: whoever decides anything about this submit must show it before the lease ends.';
comment on column genflow.attempts.send_id is 'The one sender that was told to go. Set just before the POST: from here on a lost worker means "unknown".';
comment on column genflow.attempts.seed is 'Drawn for this attempt if the model takes a seed and the client sent none: what the list may be matched by.';
comment on column genflow.attempts.callback_token_hash is 'SHA-256 (hex) of the token in the callback''s address; the token itself is never stored.';
comment on column genflow.attempts.output_urls is 'The provider''s addresses; kept here for storing, shown to nobody.';

create index attempts_open on genflow.attempts (user_id) where closed_at is null;
create index attempts_open_of_job on genflow.attempts (job_id) where closed_at is null;
create index attempts_claim on genflow.attempts (claim_id);
create index attempts_lease on genflow.attempts (lease_expires_at) where closed_at is null and task_id is null;
create index attempts_poll on genflow.attempts (next_poll_at) where closed_at is null;
create index attempts_poll_claim on genflow.attempts (poll_claim_id) where poll_claim_id is not null;
create index attempts_persist on genflow.attempts (next_persist_at) where next_persist_at is not null;
create index attempts_persist_claim on genflow.attempts (persist_claim_id) where persist_claim_id is not null;

create table genflow.provider (
  singleton boolean primary key default true check (singleton),
  running_cap integer not null default 3 check (running_cap >= 0),
  start_burst integer not null default 10 check (start_burst > 0),
  starts_per_minute integer not null default 10 check (starts_per_minute > 0),
  start_tokens double precision not null default 10 check (start_tokens >= 0),
  start_tokens_at timestamptz not null default '-infinity',
  paused_until timestamptz,
  paused_class text,
  consecutive_failures integer not null default 0,
  breaker_open_until timestamptz,
  balance_usd numeric,
  balance_at timestamptz
);
comment on table genflow.provider is
  'The provider account''s ceilings and health: one row. The defaults are the provider''s first tier: 3 open tasks, 10 starts a minute.';
insert into genflow.provider default values;

create table genflow.spend (
  day date primary key,
  credits integer not null default 0,
  starts integer not null default 0
);
comment on table genflow.spend is 'Credits held and jobs started a UTC day, for the whole project: the spend guard counts here.';

create table genflow.storage_purges (
  id uuid primary key default genflow.new_id(),
  bucket_id text not null,
  path text not null,
  job_id uuid,
  reason text not null,
  due_at timestamptz not null,
  rounds_left smallint not null default 1 check (rounds_left >= 0),
  started_at timestamptz,
  claim_id uuid,
  done_at timestamptz,
  unique (bucket_id, path)
);
comment on table genflow.storage_purges is
  'Objects to remove through the Storage API. An intended picture stands here from the moment its path is handed out and leaves when it is recorded: what was never recorded is removed.';
create index storage_purges_due on genflow.storage_purges (due_at) where done_at is null;
create index storage_purges_claim on genflow.storage_purges (claim_id) where claim_id is not null;

create table genflow.sweeps (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('sql', 'http')),
  started_at timestamptz not null,
  finished_at timestamptz,
  counts jsonb not null default '{}',
  errors integer not null default 0
);
comment on table genflow.sweeps is 'What each sweep did: the SQL half and the function''s half.';
create index sweeps_newest on genflow.sweeps (kind, started_at desc);

create table genflow.incidents (
  id uuid primary key default genflow.new_id(),
  kind text not null,
  opened_at timestamptz not null default genflow.clock(),
  closed_at timestamptz,
  detail jsonb not null default '{}'
);
comment on table genflow.incidents is 'What an operator should know, from when until when.';
create unique index incidents_one_open on genflow.incidents (kind) where closed_at is null;

revoke all on table genflow.attempts, genflow.provider, genflow.spend, genflow.storage_purges, genflow.sweeps, genflow.incidents
  from public, anon, authenticated, service_role;
