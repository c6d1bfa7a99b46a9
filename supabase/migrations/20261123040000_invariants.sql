-- The promises as questions whose answer is always no row: for operators, for the tests and for the simulation. Each
-- rule is written down from the tables alone, with none of the kernel's own functions.

create schema ops;
comment on schema ops is 'For operators: what to look at and what to do. Not exposed by the API.';
revoke all on schema ops from public, anon, authenticated, service_role;

-- A cap in force is the one that was committed before a claim, so it is known since when each one stands. The columns are
-- written by whoever sets a cap, never by the kernel: its updates do not name the caps, so no trigger fires for them.
alter table genflow.provider add column running_cap_at timestamptz not null default genflow.clock();
alter table genflow.settings add column user_running_cap_at timestamptz not null default genflow.clock();
alter table genflow.accounts add column running_cap_at timestamptz not null default '-infinity';
comment on column genflow.provider.running_cap_at is 'Since when running_cap stands.';
comment on column genflow.settings.user_running_cap_at is 'Since when user_running_cap stands.';
comment on column genflow.accounts.running_cap_at is 'Since when running_cap stands.';

create function genflow.note_cap_change() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if tg_table_name = 'settings' then
    new.user_running_cap_at := genflow.clock();
  else
    new.running_cap_at := genflow.clock();
  end if;
  return new;
end $$;
comment on function genflow.note_cap_change() is 'Keeps since when a cap stands.';
revoke execute on function genflow.note_cap_change() from public, anon, authenticated, service_role;
create trigger provider_cap before update of running_cap on genflow.provider
  for each row execute function genflow.note_cap_change();
create trigger settings_cap before update of user_running_cap on genflow.settings
  for each row execute function genflow.note_cap_change();
create trigger accounts_cap before update of running_cap on genflow.accounts
  for each row execute function genflow.note_cap_change();

create view ops.invariant_violations with (security_invoker = true) as
with open_attempts as (
  -- Open from their claim on. One that was closed and reopened by a late task id may stand beside its successor.
  select a.id, a.job_id, a.user_id, a.claimed_at from genflow.attempts a
    where a.closed_at is null and not exists (
      select from public.generation_events e where e.job_id = a.job_id and e.attempt = a.number and e.event = 'attempt_closed')
), overdue as (
  select j.user_id, j.id as job_id, j.status::text as what,
      case j.status
        when 'queued' then j.created_at + make_interval(secs => s.queue_deadline_seconds)
        when 'submitting' then a.lease_expires_at
        when 'unknown' then a.lease_expires_at + make_interval(secs => s.unknown_grace_seconds)
        when 'processing' then j.processing_at + make_interval(secs => s.processing_deadline_seconds)
        else j.persisting_at + make_interval(secs => s.persist_deadline_seconds)
      end as due_at
    from public.generation_jobs j left join genflow.attempts a on a.id = j.attempt_id cross join genflow.settings s
    where j.status in ('queued', 'submitting', 'unknown', 'processing', 'persisting')
  union all
  select a.user_id, a.job_id, 'attempt', case when a.sent_at is null then a.lease_expires_at
      else a.sent_at + make_interval(secs => case when a.task_id is null
        then s.attempt_max_age_without_task_seconds else s.attempt_max_age_with_task_seconds end) end
    from genflow.attempts a cross join genflow.settings s
    where a.closed_at is null
)
select 1::smallint as promise, 'a key has one job' as rule, j.user_id, min(j.id::text)::uuid as job_id,
    jsonb_build_object('jobs', count(*)) as detail
  from public.generation_jobs j group by j.user_id, j.idempotency_key having count(*) > 1
union all
select 2, 'an attempt follows the end of the one before it', o.user_id, o.job_id, jsonb_build_object('open', count(*))
  from open_attempts o group by o.user_id, o.job_id having count(*) > 1
union all
select 2, 'what was not sent has no task', a.user_id, a.job_id, jsonb_build_object('attempt', a.number)
  from genflow.attempts a where a.sent_at is null and (a.task_id is not null or a.submission is not null)
union all
select 2, 'a running job follows an attempt of its own', j.user_id, j.id, jsonb_build_object('status', j.status)
  from public.generation_jobs j
  where j.status in ('submitting', 'unknown', 'processing', 'persisting')
    and not exists (select from genflow.attempts a where a.id = j.attempt_id and a.job_id = j.id)
union all
select 3, 'a balance is the sum of its user''s entries', a.user_id, null, jsonb_build_object('balance', a.balance, 'entries', coalesce(e.sum, 0))
  from genflow.accounts a left join lateral (
    select sum(amount) from public.credit_entries where user_id = a.user_id) e on true
  where a.balance <> coalesce(e.sum, 0) or a.balance < 0
union all
select 3, 'a job has one reserve, of its frozen price times its pictures', j.user_id, j.id,
    jsonb_build_object('held', j.credits_held, 'reserved', e.sum, 'reserves', e.count)
  from public.generation_jobs j left join lateral (
    select sum(-amount), count(*) from public.credit_entries where job_id = j.id and kind = 'reserve') e on true
  where e.count <> 1 or e.sum <> j.credits_held or j.credits_held <> j.credits_per_image * j.num_images
union all
select 3, 'a hold closes once, and what is captured and released is what was held', j.user_id, j.id,
    jsonb_build_object('held', j.credits_held, 'captured', j.credits_captured, 'closings', e.count, 'closed', e.captured, 'released', e.released)
  from public.generation_jobs j left join lateral (
    select count(*), sum(captured) as captured, sum(amount) as released from public.credit_entries where job_id = j.id and kind = 'close') e on true
  where e.count <> case when j.credits_captured is null then 0 else 1 end
    or (e.captured, e.captured + e.released) is distinct from (j.credits_captured::bigint, case when e.count > 0 then j.credits_held::bigint end)
union all
select 3, 'no hold outlives its job and attempts', j.user_id, j.id, jsonb_build_object('status', j.status)
  from public.generation_jobs j
  where j.ended_at is not null and j.credits_captured is null
    and not exists (select from genflow.attempts a where a.job_id = j.id and a.closed_at is null)
union all
select 3, 'only a canceled job ends with an open hold, and none that goes on has closed its own', j.user_id, j.id, jsonb_build_object('status', j.status)
  from public.generation_jobs j
  where (j.ended_at is not null and j.credits_captured is null and j.status <> 'canceled')
    or (j.ended_at is null and j.credits_captured is not null)
union all
select 3, 'a completed job is charged for its pictures and a failed one for nothing', j.user_id, j.id,
    jsonb_build_object('status', j.status, 'captured', j.credits_captured, 'images', i.count)
  from public.generation_jobs j left join lateral (
    select count(*) from public.generation_images where job_id = j.id) i on true
  where j.status in ('completed', 'failed')
    and (j.credits_captured <> j.credits_per_image * case when j.status = 'completed' then i.count else 0 end
      or (j.status = 'completed') <> (i.count > 0))
union all
select 3, 'a canceled job is charged for what had been delivered', j.user_id, j.id,
    jsonb_build_object('captured', j.credits_captured, 'delivered', d.pictures)
  from public.generation_jobs j join public.credit_entries e on e.job_id = j.id and e.kind = 'close' cross join lateral (
    select coalesce(max(cardinality(a.output_urls)), 0) as pictures from genflow.attempts a
      where a.job_id = j.id and a.closed_how = 'delivered' and a.result_at <= e.created_at) d
  where j.status = 'canceled' and j.credits_captured <> j.credits_per_image * least(j.num_images, d.pictures)
union all
-- Room for a sweep that is late.
select 4, 'everything ends in time', o.user_id, o.job_id, jsonb_build_object('what', o.what, 'due_at', o.due_at)
  from overdue o where o.due_at < genflow.clock() - interval '15 minutes'
union all
select 5, 'what belongs to a job belongs to its user', j.user_id, j.id, jsonb_build_object('what', of_job.what)
  from public.generation_jobs j cross join lateral (
    select 'image' as what, i.user_id from public.generation_images i where i.job_id = j.id
    union all select 'image', null from public.generation_images i where i.job_id = j.id and not starts_with(i.path, j.user_id || '/' || j.id || '/')
    union all select 'event', e.user_id from public.generation_events e where e.job_id = j.id
    union all select 'attempt', a.user_id from genflow.attempts a where a.job_id = j.id
    union all select 'prompt', p.user_id from public.generation_prompts p where p.job_id = j.id) of_job
  where of_job.user_id is distinct from j.user_id
union all
-- A cap is set a moment before it is committed.
select 6, 'no claim is made over the provider''s cap', o.user_id, o.job_id, jsonb_build_object('cap', p.running_cap, 'open', c.count)
  from open_attempts o join genflow.provider p on p.singleton and o.claimed_at > p.running_cap_at + interval '1 minute' cross join lateral (
    select count(*) from open_attempts earlier where earlier.claimed_at <= o.claimed_at) c
  where c.count > p.running_cap
union all
select 6, 'no claim is made over its user''s cap', o.user_id, o.job_id, jsonb_build_object('cap', coalesce(u.running_cap, s.user_running_cap), 'open', c.count)
  from open_attempts o join genflow.accounts u on u.user_id = o.user_id cross join genflow.settings s cross join lateral (
    select count(*) from open_attempts earlier where earlier.user_id = o.user_id and earlier.claimed_at <= o.claimed_at) c
  where o.claimed_at > greatest(u.running_cap_at, s.user_running_cap_at) + interval '1 minute' and c.count > coalesce(u.running_cap, s.user_running_cap)
union all
-- Claims pass over accounts that are locked, and come back for them at once.
select 7, 'no ready job is passed over', j.user_id, j.id, jsonb_build_object('ready_order', j.ready_order)
  from public.generation_jobs j
  where j.status = 'queued' and j.ready_at is not null
    and not exists (select from genflow.attempts a where a.job_id = j.id and a.closed_at is null)
    and exists (select from open_attempts o join public.generation_jobs later on later.id = o.job_id
      where o.user_id <> j.user_id and later.ready_order > j.ready_order and o.claimed_at > j.ready_at + interval '2 minutes');
comment on view ops.invariant_violations is
  'Promises that do not hold at this moment: promise (its number), rule, whose, which job, detail. No row is ever expected; one is an incident. Ask for one user with where user_id = …';
