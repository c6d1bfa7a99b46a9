-- Why nothing is claimed and until when, said to who waits; a breaker whose probe is one; tasks that were told to stop;
-- and which of the provider's tasks were paid for in vain.

-- Failures

insert into genflow.job_errors (code, retryable, meaning) values
  ('provider_down', true, 'The provider could not be reached, several times in a row.');

-- Nothing was asked of the provider, so neither says anything of its health.
insert into genflow.failure_classes (class, decision, error_code, burns, pause_seconds, is_outage) values
  ('unsendable', 'fail', 'input_rejected', true, 0, null),
  ('input_missing', 'fail', 'input_unreachable', true, 0, null),
  ('deleted_by_us', 'fail', 'provider_failed', true, 0, null);
update genflow.failure_classes set error_code = 'provider_down' where class = 'not_sent';
update genflow.failure_classes set error_code = 'processing_timeout' where class = 'timeout';

alter table genflow.failure_classes add column hold_reason text;
update genflow.failure_classes set hold_reason = case class when 'rate_limited' then 'provider_busy' else 'provider_unavailable' end
  where pause_seconds > 0;
alter table genflow.failure_classes add constraint failure_classes_hold check ((pause_seconds > 0) = (hold_reason is not null));
comment on column genflow.failure_classes.hold_reason is 'What a user whose job waits for the end of this class''s pause is told: a reason of the contract''s holdReasons.';

-- A pause without an end is a cap of 0. Before PostgreSQL 17 nothing can be subtracted from infinity, and the queue's estimate does.
alter table genflow.provider add constraint provider_paused_until_finite check (isfinite(paused_until));
alter table genflow.provider add column paused_class_until timestamptz;
comment on column genflow.provider.paused_class_until is
  'The end of the pause that paused_class is about. Where paused_until says something else an operator has set it, for reasons of his own.';
update genflow.provider set paused_class_until = paused_until where paused_class is not null;

create or replace function genflow.pause_claims(p_class text, p_seconds double precision) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_until timestamptz := genflow.clock() + make_interval(secs => p_seconds);
begin
  -- The class is that of the longest pause: it says why claims wait until then.
  update genflow.provider set paused_until = v_until, paused_class = p_class, paused_class_until = v_until
    where singleton and (paused_until is null or paused_until < v_until);
end $$;

create or replace function genflow.apply_failure(p_attempt_id uuid, p_how text, p_class text, p_retry_after_seconds double precision default null)
returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  -- Not at once again, whatever it says; and a year must not stop the project.
  v_retry_after constant double precision := least(3600, greatest(1, p_retry_after_seconds));
  v_attempt genflow.attempts;
  v_job public.generation_jobs;
  v_rule genflow.failure_classes;
  v_delay double precision;
begin
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  select * into v_job from public.generation_jobs where id = v_attempt.job_id;
  select * into v_rule from genflow.failure_classes where class = p_class;
  if not found then
    select * into v_rule from genflow.failure_classes where class = 'task_failed';
  end if;
  perform genflow.close_attempt(p_attempt_id, p_how);
  if v_job.attempt_id = p_attempt_id and v_job.status in ('submitting', 'unknown', 'processing') then
    if v_rule.decision = 'fail' then
      update public.generation_jobs set attempts = attempts + 1 where id = v_job.id;
      perform genflow.fail_job(v_job.id, v_rule.error_code);
    else
      v_delay := case when p_class = 'absent' then 0
        when p_retry_after_seconds is not null then v_retry_after
        when v_rule.pause_seconds > 0 then genflow.random_unit() * v_rule.pause_seconds
        else genflow.backoff_seconds(v_job.attempts) end;
      perform genflow.requeue_job(v_job.id, v_rule.burns, v_rule.error_code, v_delay);
    end if;
  end if;
  perform genflow.promote(v_attempt.user_id);
  -- Last in the lock order.
  if v_rule.pause_seconds > 0 then
    perform genflow.pause_claims(p_class, case when p_retry_after_seconds is not null then v_retry_after else v_rule.pause_seconds end);
  end if;
  -- The end of a task that ran says nothing of whether submits get through now.
  if v_rule.is_outage is not null and p_how = 'rejected' then
    perform genflow.note_provider_health(v_rule.is_outage);
  end if;
end $$;
comment on function genflow.apply_failure(uuid, text, text, double precision) is
  'Carries out genflow.failure_classes for one attempt; a Retry-After counts from 1 s to an hour. A class never heard of counts as task_failed.';

create or replace function public.record_provider_balance(p_balance_usd numeric) returns void
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_before numeric;
begin
  select balance_usd into v_before from genflow.provider where singleton for no key update;
  update genflow.provider set balance_usd = p_balance_usd, balance_at = genflow.clock() where singleton;
  -- Only one that rose speaks against the provider, which has just said that there is not enough.
  update genflow.provider p set paused_until = null, paused_class = null, paused_class_until = null
    from genflow.settings s
    where p.singleton and s.singleton and p.paused_class = 'no_credits' and p.paused_until = p.paused_class_until
      and p_balance_usd > v_before and p_balance_usd >= coalesce(s.min_provider_balance_usd, 0);
end $$;
comment on function public.record_provider_balance(numeric) is
  'What the provider''s account holds, in USD. A rise to the limit or above it ends a pause that an empty account began.';

-- The breaker

create function genflow.breaker_until() returns timestamptz
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_open_until timestamptz;
begin
  select breaker_open_until into v_open_until from genflow.provider where singleton;
  if v_open_until is null then
    return null;
  end if;
  return greatest(v_open_until, (select max(lease_expires_at) from genflow.attempts
    where closed_at is null and task_id is null and submission is null));
end $$;
comment on function genflow.breaker_until() is
  'Until when the breaker lets nothing through: its own time, and then as long as a submit is under way whose lease stands, since that is the probe. Null: the breaker is closed.';

create or replace function genflow.claimable(p_limit integer) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_provider genflow.provider;
  v_settings genflow.settings;
  v_tokens double precision;
  v_slots integer;
begin
  select * into v_provider from genflow.provider where singleton;
  select * into v_settings from genflow.settings where singleton;
  if v_provider.paused_until > v_now or genflow.breaker_until() > v_now
    or v_provider.balance_usd < v_settings.min_provider_balance_usd then
    return 0;
  end if;
  v_tokens := genflow.tokens_now(v_provider.start_tokens, v_provider.start_tokens_at, v_provider.start_burst, v_provider.starts_per_minute, v_now);
  v_slots := least(p_limit, floor(v_tokens)::integer,
    v_provider.running_cap - (select count(*)::integer from genflow.attempts where closed_at is null));
  if v_provider.breaker_open_until is not null then
    -- Half open: one probe.
    v_slots := least(v_slots, 1);
  end if;
  return greatest(0, v_slots);
end $$;

-- Holds

create function genflow.hold_json(p_user_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_provider genflow.provider;
  v_min_balance_usd numeric;
  v_hold record;
begin
  select * into v_provider from genflow.provider where singleton;
  select min_provider_balance_usd into v_min_balance_usd from genflow.settings where singleton;
  select h.reason, h.until into v_hold
    from (values
      (1, 'paused', 'infinity'::timestamptz, v_provider.running_cap = 0 or genflow.running_cap(p_user_id) <= 0),
      (2, 'provider_unavailable', 'infinity', v_provider.balance_usd < v_min_balance_usd),
      (3, coalesce((select hold_reason from genflow.failure_classes
          where class = v_provider.paused_class and v_provider.paused_until = v_provider.paused_class_until), 'paused'),
        v_provider.paused_until, v_provider.paused_until > v_now),
      (4, 'provider_outage', genflow.breaker_until(), genflow.breaker_until() > v_now)) h (place, reason, until, holds)
    where h.holds order by h.until desc, h.place limit 1;
  if not found then
    return null;
  end if;
  return jsonb_build_object('reason', v_hold.reason, 'until', nullif(v_hold.until, 'infinity'));
end $$;
comment on function genflow.hold_json(uuid) is
  'Why none of the user''s jobs would be claimed now, whatever its place: {reason, until}, of several the longest; until is null where nobody knows. Null: nothing stands in the way but the queue.';

alter function genflow.queue_json(uuid) rename to queue_place;
comment on function genflow.queue_place(uuid) is
  '{position, exact, etaSeconds}: jobs ahead, exact for a ready job below 100 and a lower bound otherwise; seconds until the pictures are stored. Its cost does not grow with the queue. A job that nothing lets run (a cap of 0, no balance at the provider) is told the time to its queue deadline.';

create function genflow.queue_json(p_job_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_job record;
  v_hold jsonb;
begin
  -- By the key alone: with the status in the question the planner walks along the index of queued jobs.
  select user_id, status into v_job from public.generation_jobs where id = p_job_id;
  if v_job.status = 'queued' then
    v_hold := genflow.hold_json(v_job.user_id);
  end if;
  return genflow.queue_place(p_job_id) || jsonb_build_object('hold', v_hold);
end $$;
comment on function genflow.queue_json(uuid) is '{position, exact, etaSeconds, hold}: genflow.queue_place, and for a queued job genflow.hold_json.';
comment on function public.queue_position(uuid) is '{position, exact, etaSeconds, hold} of the caller''s job; hold is {reason, until} while nothing is claimed, else null.';

-- Polls

create or replace function genflow.first_poll_at(p_model_id text, p_from timestamptz) returns timestamptz
language plpgsql stable security definer set search_path = ''
as $$
begin
  -- A model that takes longer than the deadline must still be asked for before it.
  return (select p_from + make_interval(secs => greatest(s.first_poll_seconds, least(m.expected_seconds, s.processing_deadline_seconds / 2)))
    from genflow.settings s, public.generation_models m where s.singleton and m.id = p_model_id);
end $$;

-- Cancels that the provider is told of, and second tasks

alter table genflow.attempts add column told_at timestamptz;
comment on column genflow.attempts.told_at is
  'When it was decided to tell the provider that nobody wants the task any more: a task that then ends as deleted or cancelled was ended by us.';

create table genflow.second_tasks (
  task_id text primary key,
  attempt_id uuid not null references genflow.attempts (id) on delete cascade,
  seen_at timestamptz not null default genflow.clock()
);
create index second_tasks_attempt on genflow.second_tasks (attempt_id);
comment on table genflow.second_tasks is
  'Tasks that the provider made for an attempt which follows another task already: the list was believed wrongly, or one POST was taken for two. Nobody wants them, and they may be billed.';
revoke all on table genflow.second_tasks from public, anon, authenticated, service_role;

create function genflow.note_second_task(p_attempt_id uuid, p_task_id text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  insert into genflow.second_tasks (task_id, attempt_id)
    select p_task_id, a.id from genflow.attempts a
      where a.id = p_attempt_id and a.sent_at is not null and a.task_id <> p_task_id
        and not exists (select 1 from genflow.attempts other where other.task_id = p_task_id)
    on conflict (task_id) do nothing;
end $$;
comment on function genflow.note_second_task(uuid, text) is 'Keeps a task that is this attempt''s and that no attempt follows. The caller holds the account''s lock.';

create function genflow.tell_tasks(p_job_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_tasks text[];
begin
  if not (select tell_provider_on_cancel from genflow.settings where singleton)
    or (select status from public.generation_jobs where id = p_job_id) <> 'canceled' then
    return '[]'::jsonb;
  end if;
  v_tasks := array(select task_id from genflow.attempts where job_id = p_job_id and closed_at is null and task_id is not null order by number);
  update genflow.attempts set told_at = genflow.clock() where job_id = p_job_id and task_id = any (v_tasks) and told_at is null;
  return to_jsonb(v_tasks);
end $$;
comment on function genflow.tell_tasks(uuid) is
  'The open tasks of a canceled job, to be told to the provider, if the setting says so; notes that they are. The caller holds the account''s lock.';

create or replace function public.cancel_generation(p_user_id uuid, p_job_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_job public.generation_jobs;
  v_attempt genflow.attempts;
  v_released integer;
begin
  if not exists (select 1 from public.generation_jobs where id = p_job_id and user_id = p_user_id) then
    return genflow.refusal('job_not_found');
  end if;
  if not genflow.lock_job(p_job_id) then
    -- Its user has been erased meanwhile.
    return genflow.refusal('job_not_found');
  end if;
  select * into v_job from public.generation_jobs where id = p_job_id;
  if v_job.status in ('queued', 'submitting', 'unknown', 'processing') then
    update public.generation_jobs
      set status = 'canceled', ended_at = genflow.clock(), ready_at = null, not_before = null
      where id = p_job_id;
    perform genflow.add_event(p_job_id, 'canceled');
    for v_attempt in select * from genflow.attempts where job_id = p_job_id and closed_at is null and send_id is null loop
      perform genflow.close_attempt(v_attempt.id, 'never_sent');
    end loop;
    perform genflow.close_hold_of_canceled(p_job_id);
    perform genflow.promote(p_user_id);
  end if;
  select * into v_job from public.generation_jobs where id = p_job_id;
  select amount into v_released from public.credit_entries where job_id = p_job_id and kind = 'close';
  return jsonb_build_object('ok', true, 'job', genflow.job_json(v_job),
    'outcome', case v_job.status when 'canceled' then 'canceled' when 'persisting' then 'too_late' else 'already_ended' end,
    'refund', case when v_released > 0 then 'released' when v_released is null and v_job.status = 'canceled' then 'pending' else 'none' end,
    'tellTaskIds', genflow.tell_tasks(p_job_id));
end $$;

create or replace function public.record_submission(p_attempt_id uuid, p_send_id uuid, p_outcome jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_attempt genflow.attempts;
  v_kind text := p_outcome ->> 'kind';
  v_tell jsonb := '[]'::jsonb;
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('recorded', false, 'tellTaskIds', v_tell);
  end if;
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  if (v_attempt.send_id = p_send_id) is not true then
    return jsonb_build_object('recorded', false, 'tellTaskIds', v_tell);
  end if;
  if v_kind = 'accepted' then
    if genflow.attach_task(p_attempt_id, p_outcome ->> 'taskId') then
      -- The cancel came before there was a task to tell of.
      v_tell := genflow.tell_tasks(v_attempt.job_id);
      if v_attempt.task_id is null then
        perform genflow.note_provider_health(false);
      end if;
    else
      perform genflow.note_second_task(p_attempt_id, p_outcome ->> 'taskId');
    end if;
  elsif v_kind = 'rejected' and (v_attempt.submission is null or v_attempt.submission_class = 'lost') then
    -- A worker given up for lost may still bring a certain no: a fact, and the unknown is one no more.
    update genflow.attempts set submission = 'rejected', submission_class = p_outcome ->> 'class' where id = p_attempt_id;
    perform genflow.apply_failure(p_attempt_id, 'rejected', p_outcome ->> 'class', (p_outcome ->> 'retryAfterSeconds')::double precision);
  elsif v_attempt.submission is null and v_kind = 'unknown' then
    update genflow.attempts set submission = 'unknown', submission_class = p_outcome ->> 'cause' where id = p_attempt_id;
    update public.generation_jobs set status = 'unknown'
      where id = v_attempt.job_id and attempt_id = p_attempt_id and status = 'submitting';
    if found then
      perform genflow.add_event(v_attempt.job_id, 'unknown', v_attempt.number, jsonb_build_object('cause', p_outcome ->> 'cause'));
    end if;
    perform genflow.note_provider_health(true);
  end if;
  return (select jsonb_build_object('recorded', true, 'status', j.status, 'taskId', a.task_id, 'tellTaskIds', v_tell)
    from genflow.attempts a join public.generation_jobs j on j.id = a.job_id where a.id = p_attempt_id);
end $$;
comment on function public.record_submission(uuid, uuid, jsonb) is
  'What the one POST brought: {kind: accepted, taskId} | {kind: rejected, class, retryAfterSeconds?} | {kind: unknown, cause}. A task id is stored however late it comes. tellTaskIds: the job was canceled meanwhile, and the setting says to tell the provider.';

create or replace function public.settle_generation(p_task_id text, p_attempt_id uuid, p_result jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_terminal constant text[] := array['completed', 'failed', 'cancelled', 'timeout', 'deleted'];
  v_status text := p_result ->> 'status';
  v_now timestamptz;
  v_attempt genflow.attempts;
  v_job record;
  v_delivered boolean;
  v_is_first_word boolean;
begin
  select * into v_attempt from genflow.attempts where task_id = p_task_id;
  if not found then
    -- A callback can be here before the submit's answer is: its token says which attempt it speaks of.
    select * into v_attempt from genflow.attempts where id = p_attempt_id and sent_at is not null;
  end if;
  if not found or not genflow.lock_attempt(v_attempt.id) then
    return jsonb_build_object('next', 'unknown_task');
  end if;
  if v_attempt.task_id is distinct from p_task_id and not genflow.attach_task(v_attempt.id, p_task_id) then
    perform genflow.note_second_task(v_attempt.id, p_task_id);
    return jsonb_build_object('next', 'unknown_task');
  end if;
  v_now := genflow.clock();
  v_is_first_word := v_attempt.task_id is null and v_attempt.lease_expires_at > v_now;
  select * into v_attempt from genflow.attempts where id = v_attempt.id;

  if v_status = 'unknown_status' then
    -- A word never documented does not end the task; somebody should know of it.
    if not exists (
      select 1 from public.generation_events where job_id = v_attempt.job_id and attempt = v_attempt.number and event = 'provider_status_unknown'
    ) then
      perform genflow.add_event(v_attempt.job_id, 'provider_status_unknown', v_attempt.number);
    end if;
  elsif v_status = any (v_terminal) and v_attempt.result_status is null then
    v_delivered := v_status = 'completed' and jsonb_array_length(p_result -> 'outputs') > 0;
    if v_delivered then
      -- A poll names no attempt.
      v_attempt.called_back := p_attempt_id is not null;
      perform genflow.take_delivery(v_attempt, p_result, v_now);
      v_attempt.result_status := v_status;
    else
      update genflow.attempts
        set result_status = v_status, result_at = v_now, next_poll_at = null,
          result_class = case when v_status = 'completed' then 'no_outputs'
            when v_status in ('deleted', 'cancelled') and told_at is not null then 'deleted_by_us'
            else coalesce(p_result ->> 'class', 'task_failed') end,
          closed_how = case when closed_at is not null then 'failed' end
        where id = v_attempt.id
        returning * into v_attempt;
      perform genflow.apply_failure(v_attempt.id, 'failed', v_attempt.result_class);
    end if;
  end if;
  if v_is_first_word then
    -- The submit got through, whose answer is still on its way. Last in the lock order.
    perform genflow.note_provider_health(false);
  end if;
  select id, trace_id, status, attempt_id into v_job from public.generation_jobs where id = v_attempt.job_id;
  return jsonb_build_object('jobId', v_job.id, 'attemptId', v_attempt.id, 'traceId', v_job.trace_id, 'status', v_job.status, 'next',
    case when v_job.status = 'persisting' and v_job.attempt_id = v_attempt.id then 'persist'
      when v_attempt.result_status is null and v_attempt.closed_at is null then 'wait' else 'none' end);
end $$;

-- Paid for and not delivered

create function genflow.undelivered(p_job_id uuid default null)
returns table (attempt_id uuid, job_id uuid, user_id uuid, task_id text, cause text, is_certain boolean, at timestamptz)
language plpgsql stable security definer set search_path = ''
as $$
begin
  return query
    select a.id, a.job_id, a.user_id, a.task_id,
        case
          when exists (select 1 from genflow.erasures e where e.user_id = a.user_id) then 'user_erased'
          when a.result_class in ('deleted_by_us', 'no_outputs') then a.result_class
          when j.status = 'canceled' then 'canceled'
          when j.status in ('completed', 'persisting') then 'delivered_twice'
          when j.error_code in ('outputs_unusable', 'storage_timeout') and (j.attempt_id = a.id or a.persists > 0) then j.error_code
          when j.error_code in ('submit_unknown', 'processing_timeout') then j.error_code
          when a.closed_how = 'abandoned' then case when a.task_id is null then 'answer_lost' else 'abandoned' end
          when j.status = 'failed' then 'failed_before'
          else 'unexplained'
        end,
        a.result_status is not distinct from 'completed', a.closed_at
      from genflow.attempts a join public.generation_jobs j on j.id = a.job_id
      where (p_job_id is null or a.job_id = p_job_id) and a.closed_at is not null
        and (a.closed_how in ('delivered', 'abandoned') or a.result_class in ('no_outputs', 'deleted_by_us'))
        and not (a.closed_how = 'delivered' and j.status in ('completed', 'persisting') and j.attempt_id = a.id)
    union all
    select a.id, a.job_id, a.user_id, s.task_id, 'second_task', false, s.seen_at
      from genflow.second_tasks s join genflow.attempts a on a.id = s.attempt_id
      where p_job_id is null or a.job_id = p_job_id;
end $$;
comment on function genflow.undelivered(uuid) is
  'The provider''s tasks, of one job or of all, that are billed, or may be, and gave their user nothing: one row and one cause each. is_certain: the provider said completed. Tasks that it says have failed are not here, since it gives those back.';

create table genflow.undelivered_erased (
  id uuid primary key default genflow.new_id(),
  at timestamptz not null default genflow.clock(),
  cause text not null,
  is_certain boolean not null
);
comment on table genflow.undelivered_erased is 'What genflow.undelivered said of jobs that are deleted since: when, and why. Says nothing of whose they were.';
revoke all on table genflow.undelivered_erased from public, anon, authenticated, service_role;

create function genflow.keep_undelivered() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  insert into genflow.undelivered_erased (cause, is_certain)
    select u.cause, u.is_certain from genflow.undelivered(old.id) u;
  return old;
end $$;
comment on function genflow.keep_undelivered() is 'A job''s row may go, and with it its attempts; what was paid for in vain stays countable.';
create trigger keep_undelivered before delete on public.generation_jobs
  for each row execute function genflow.keep_undelivered();

revoke execute on function genflow.breaker_until(), genflow.hold_json(uuid), genflow.queue_json(uuid), genflow.note_second_task(uuid, text),
  genflow.tell_tasks(uuid), genflow.keep_undelivered(), genflow.undelivered(uuid)
  from public, anon, authenticated, service_role;
