-- Jobs, their words, their pictures and what happened to them.

create type public.generation_status as enum
  ('queued', 'submitting', 'unknown', 'processing', 'persisting', 'completed', 'failed', 'canceled');
comment on type public.generation_status is 'completed, failed and canceled absorb; the legal edges stand in genflow.transitions.';

create table genflow.transitions (
  from_status public.generation_status not null,
  to_status public.generation_status not null,
  primary key (from_status, to_status)
);
comment on table genflow.transitions is 'The state machine: an edge that does not stand here is refused by a trigger.';
revoke all on table genflow.transitions from public, anon, authenticated, service_role;

insert into genflow.transitions (from_status, to_status) values
  ('queued', 'submitting'), ('queued', 'processing'), ('queued', 'persisting'), ('queued', 'failed'), ('queued', 'canceled'),
  ('submitting', 'queued'), ('submitting', 'processing'), ('submitting', 'persisting'), ('submitting', 'unknown'),
  ('submitting', 'failed'), ('submitting', 'canceled'),
  ('unknown', 'queued'), ('unknown', 'processing'), ('unknown', 'persisting'), ('unknown', 'failed'), ('unknown', 'canceled'),
  ('processing', 'queued'), ('processing', 'persisting'), ('processing', 'failed'), ('processing', 'canceled'),
  ('persisting', 'completed'), ('persisting', 'failed');

create table public.generation_jobs (
  id uuid primary key default genflow.new_id(),
  user_id uuid not null,
  idempotency_key uuid not null,
  request_hash text not null,
  model_id text not null references public.generation_models (id),
  aspect_ratio text not null,
  num_images smallint not null check (num_images > 0),
  seed bigint,
  input_paths text[] not null default '{}',
  retry_of uuid,
  trace_id text not null,
  status public.generation_status not null default 'queued',
  attempts smallint not null default 0,
  error_code text references genflow.job_errors (code),
  retryable boolean not null default false,
  credits_per_image integer not null check (credits_per_image > 0),
  credits_held integer not null check (credits_held > 0),
  credits_captured integer check (credits_captured between 0 and credits_held),
  seq bigint not null default 0,
  created_at timestamptz not null default genflow.clock(),
  updated_at timestamptz not null default genflow.clock(),
  submitting_at timestamptz,
  processing_at timestamptz,
  persisting_at timestamptz,
  ended_at timestamptz,
  -- turns in the queue
  not_before timestamptz,
  ready_at timestamptz,
  ready_order timestamptz,
  attempt_id uuid,
  unique (user_id, idempotency_key),
  check ((status in ('completed', 'failed', 'canceled')) = (ended_at is not null)),
  check ((status = 'failed') = (error_code is not null)),
  check (ready_at is null or status = 'queued')
);
comment on table public.generation_jobs is 'One request for pictures and where it stands. Its words are in generation_prompts.';
comment on column public.generation_jobs.request_hash is 'SHA-256 of the request''s canonical JSON: another body under the same key is refused.';
comment on column public.generation_jobs.attempts is 'Attempts burnt: those that may have cost the provider work. Rate limits and pauses burn none.';
comment on column public.generation_jobs.credits_captured is 'What the job cost; null while its hold is open.';
comment on column public.generation_jobs.seq is 'The user''s feed_seq of the last change of this row.';
comment on column public.generation_jobs.not_before is 'A requeued job''s earliest next turn.';
comment on column public.generation_jobs.ready_at is 'Set while the job is promoted: its user has a slot for it and it takes part in turns.';
comment on column public.generation_jobs.ready_order is 'Frozen place in the turns: ready_at minus the account''s head start at the first promotion.';
comment on column public.generation_jobs.attempt_id is 'The attempt the job follows now.';

create index generation_jobs_feed on public.generation_jobs (user_id, seq);
create index generation_jobs_newest on public.generation_jobs (user_id, created_at desc, id desc);
create index generation_jobs_queued on public.generation_jobs (user_id, created_at, id) where status = 'queued';
create index generation_jobs_waiting on public.generation_jobs (user_id) where status = 'queued' and ready_at is null;
create index generation_jobs_running on public.generation_jobs (user_id)
  where status in ('submitting', 'unknown', 'processing', 'persisting');
create index generation_jobs_pending on public.generation_jobs (user_id) where ended_at is null;
create index generation_jobs_ready on public.generation_jobs (ready_order, id) where status = 'queued' and ready_at is not null;
create index generation_jobs_queue_age on public.generation_jobs (created_at) where status = 'queued';
create index generation_jobs_processing_age on public.generation_jobs (processing_at) where status = 'processing';
create index generation_jobs_persisting_age on public.generation_jobs (persisting_at) where status = 'persisting';
create index generation_jobs_model on public.generation_jobs (model_id);
create index generation_jobs_errors on public.generation_jobs (error_code) where error_code is not null;
create index generation_jobs_open_hold on public.generation_jobs (id) where status = 'canceled' and credits_captured is null;

create table public.generation_prompts (
  job_id uuid primary key references public.generation_jobs (id) on delete cascade,
  user_id uuid,
  prompt text
);
comment on table public.generation_prompts is
  'The words of a job, apart: a row that fails a constraint is printed into the database''s log, so this table has none that could fail.';
create index generation_prompts_of_user on public.generation_prompts (user_id);

create table public.generation_images (
  id uuid primary key default genflow.new_id(),
  job_id uuid not null references public.generation_jobs (id) on delete cascade,
  user_id uuid not null,
  index smallint not null check (index >= 0),
  path text not null unique,
  thumb_path text,
  width integer not null check (width > 0),
  height integer not null check (height > 0),
  bytes bigint not null check (bytes > 0),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  content_type text not null,
  thumbhash text,
  flagged boolean not null default false,
  favorite boolean not null default false,
  created_at timestamptz not null default genflow.clock(),
  deleted_at timestamptz,
  seq bigint not null default 0,
  unique (job_id, index)
);
comment on table public.generation_images is 'One stored picture: recorded after its bytes are in the bucket, never before.';
comment on column public.generation_images.path is 'Object name in the bucket generations: <user>/<job>/<index>-<lease>.';
comment on column public.generation_images.sha256 is 'Of the stored bytes, lower-case hex.';
comment on column public.generation_images.flagged is 'The provider marked the picture as not safe for work.';
comment on column public.generation_images.deleted_at is 'Set: a tombstone, its file is removed; show it no more.';
create index generation_images_feed on public.generation_images (user_id, seq);
create index generation_images_newest on public.generation_images (user_id, created_at desc, id desc) where deleted_at is null;

create table public.generation_events (
  id bigint generated always as identity primary key,
  job_id uuid not null references public.generation_jobs (id) on delete cascade,
  user_id uuid not null,
  at timestamptz not null,
  event text not null,
  status public.generation_status not null,
  attempt smallint,
  detail jsonb not null default '{}'
);
comment on table public.generation_events is 'What happened to a job, in order. Never holds a prompt, a token or a provider''s address.';
create index generation_events_of_job on public.generation_events (job_id, id);
create index generation_events_of_user on public.generation_events (user_id);

alter table public.generation_jobs enable row level security;
alter table public.generation_prompts enable row level security;
alter table public.generation_images enable row level security;
alter table public.generation_events enable row level security;

create policy "owners read their jobs" on public.generation_jobs
  for select to authenticated using (user_id = (select auth.uid()));
create policy "owners read their prompts" on public.generation_prompts
  for select to authenticated using (user_id = (select auth.uid()));
create policy "owners read their pictures" on public.generation_images
  for select to authenticated using (user_id = (select auth.uid()));
create policy "owners read their jobs' events" on public.generation_events
  for select to authenticated using (user_id = (select auth.uid()));
comment on policy "owners read their jobs" on public.generation_jobs is 'Nobody writes jobs through the API.';
comment on policy "owners read their prompts" on public.generation_prompts is 'Nobody writes prompts through the API.';
comment on policy "owners read their pictures" on public.generation_images is 'Deleted ones too, as tombstones: an app that missed the push learns of the deletion when it reads on from its last seq.';
comment on policy "owners read their jobs' events" on public.generation_events is 'Nobody writes events through the API.';

revoke all on table public.generation_jobs, public.generation_prompts, public.generation_images, public.generation_events
  from public, anon, authenticated, service_role;
revoke all on sequence public.generation_events_id_seq from public, anon, authenticated, service_role;
grant select on table public.generation_jobs, public.generation_prompts, public.generation_images, public.generation_events
  to authenticated, service_role;

create function genflow.guard_transition() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    if new.status <> 'queued' then
      raise exception 'a job begins as queued, not as %', new.status using errcode = 'check_violation';
    end if;
  elsif not exists (select 1 from genflow.transitions where from_status = old.status and to_status = new.status) then
    raise exception 'a job cannot go from % to %', old.status, new.status using errcode = 'check_violation';
  end if;
  return new;
end $$;
comment on function genflow.guard_transition() is 'Refuses every edge that genflow.transitions does not name.';
revoke execute on function genflow.guard_transition() from public, anon, authenticated, service_role;

create trigger generation_jobs_begin before insert on public.generation_jobs
  for each row execute function genflow.guard_transition();
create trigger generation_jobs_transition before update of status on public.generation_jobs
  for each row when (old.status is distinct from new.status) execute function genflow.guard_transition();

create function genflow.add_event(p_job_id uuid, p_event text, p_attempt smallint default null, p_detail jsonb default '{}')
returns void
language sql security definer set search_path = ''
as $$
  insert into public.generation_events (job_id, user_id, at, event, status, attempt, detail)
  select id, user_id, genflow.clock(), p_event, status, p_attempt, p_detail from public.generation_jobs where id = p_job_id
$$;
comment on function genflow.add_event(uuid, text, smallint, jsonb) is 'Notes what happened to a job, with the state it is in by then.';
revoke execute on function genflow.add_event(uuid, text, smallint, jsonb) from public, anon, authenticated, service_role;
