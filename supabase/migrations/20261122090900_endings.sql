-- How jobs and attempts end, and how a hold closes. The callers hold the account's, the job's and its attempts' locks.

create function genflow.lock_job(p_job_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  select user_id into v_user_id from public.generation_jobs where id = p_job_id;
  if not found then
    return false;
  end if;
  perform 1 from genflow.accounts where user_id = v_user_id for no key update;
  perform 1 from public.generation_jobs where id = p_job_id for no key update;
  perform 1 from genflow.attempts where job_id = p_job_id order by id for no key update;
  return found or exists (select 1 from public.generation_jobs where id = p_job_id);
end $$;
comment on function genflow.lock_job(uuid) is 'Locks account, job and attempts, in that order; false if there is no such job. Read what they protect afterwards.';

create function genflow.lock_attempt(p_attempt_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job_id uuid;
begin
  select job_id into v_job_id from genflow.attempts where id = p_attempt_id;
  return found and genflow.lock_job(v_job_id);
end $$;
comment on function genflow.lock_attempt(uuid) is 'genflow.lock_job for the attempt''s job.';

create function genflow.close_hold(p_job_id uuid, p_captured integer) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  if v_job.credits_captured is not null then
    return;
  end if;
  perform genflow.add_entry(v_job.user_id, 'close', v_job.credits_held - p_captured, p_job_id, null, p_captured);
  update public.generation_jobs set credits_captured = p_captured where id = p_job_id;
  perform genflow.add_event(p_job_id, 'hold_closed', null,
    jsonb_build_object('captured', p_captured, 'released', v_job.credits_held - p_captured));
end $$;
comment on function genflow.close_hold(uuid, integer) is 'Closes the job''s hold, once: what is not captured returns to the balance.';

create function genflow.close_hold_of_canceled(p_job_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
  v_delivered integer;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  if v_job.status <> 'canceled' or v_job.credits_captured is not null
    or exists (select 1 from genflow.attempts where job_id = p_job_id and closed_at is null) then
    return;
  end if;
  select coalesce(max(cardinality(output_urls)), 0) into v_delivered
    from genflow.attempts where job_id = p_job_id and closed_how = 'delivered';
  perform genflow.close_hold(p_job_id, v_job.credits_per_image * least(v_job.num_images::integer, v_delivered));
end $$;
comment on function genflow.close_hold_of_canceled(uuid) is
  'A canceled job''s hold stays open while the provider may still deliver (and bill); what it delivered in the end is captured.';

create function genflow.close_attempt(p_attempt_id uuid, p_how text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_attempt genflow.attempts;
begin
  update genflow.attempts
    set closed_at = genflow.clock(), closed_how = p_how, next_poll_at = null
    where id = p_attempt_id and closed_at is null
    returning * into v_attempt;
  if found then
    perform genflow.add_event(v_attempt.job_id, 'attempt_closed', v_attempt.number, jsonb_build_object('how', p_how));
    perform genflow.close_hold_of_canceled(v_attempt.job_id);
  end if;
end $$;
comment on function genflow.close_attempt(uuid, text) is 'The provider owes nothing more on this attempt. Frees its slot; closes a canceled job''s hold with the last one.';

create function genflow.fail_job(p_job_id uuid, p_code text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  update public.generation_jobs
    set status = 'failed', error_code = p_code, ended_at = genflow.clock(), ready_at = null, not_before = null,
      retryable = (select retryable from genflow.job_errors where code = p_code)
    where id = p_job_id
    returning user_id into v_user_id;
  perform genflow.add_event(p_job_id, 'failed', null, jsonb_build_object('error_code', p_code));
  perform genflow.close_hold(p_job_id, 0);
  perform genflow.promote(v_user_id);
end $$;
comment on function genflow.fail_job(uuid, text) is 'Ends a job without a picture: it costs nothing, whatever its attempts still bring.';

create function genflow.requeue_job(p_job_id uuid, p_burns boolean, p_error_code text, p_delay_seconds double precision) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
begin
  if p_burns then
    update public.generation_jobs set attempts = attempts + 1 where id = p_job_id;
  end if;
  select * into v_job from public.generation_jobs where id = p_job_id;
  if p_burns and v_job.attempts >= (select max_attempts from genflow.settings where singleton) then
    perform genflow.fail_job(p_job_id, p_error_code);
    return;
  end if;
  update public.generation_jobs
    set status = 'queued', ready_at = null, attempt_id = null,
      not_before = case when p_delay_seconds > 0 then genflow.clock() + make_interval(secs => p_delay_seconds) end
    where id = p_job_id;
  perform genflow.add_event(p_job_id, 'requeued', null,
    jsonb_build_object('delay_seconds', round(p_delay_seconds::numeric, 1), 'burnt', p_burns));
  perform genflow.promote(v_job.user_id);
end $$;
comment on function genflow.requeue_job(uuid, boolean, text, double precision) is
  'Another turn after a delay, at its old place in the order; the job fails with p_error_code if its attempts are burnt up.';

create function genflow.backoff_seconds(p_tries integer) returns double precision
language sql volatile security definer set search_path = ''
as $$
  select genflow.random_unit() * least(backoff_max_seconds, backoff_base_seconds * power(2, least(p_tries, 20)))
  from genflow.settings where singleton
$$;
comment on function genflow.backoff_seconds(integer) is 'Full jitter: anywhere between nothing and the doubled base, so that what failed together does not return together.';

create function genflow.pause_claims(p_class text, p_seconds double precision) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update genflow.provider
    set paused_until = greatest(paused_until, genflow.clock() + make_interval(secs => p_seconds)), paused_class = p_class
    where singleton;
end $$;
comment on function genflow.pause_claims(text, double precision) is 'Holds every claim back for a while: the cause is the provider account''s, not one job''s.';

create function genflow.note_provider_health(p_is_outage boolean) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_settings genflow.settings;
begin
  if not p_is_outage then
    -- The common case touches nothing: no row matches, so no lock is taken.
    update genflow.provider set consecutive_failures = 0, breaker_open_until = null
      where singleton and (consecutive_failures <> 0 or breaker_open_until is not null);
    return;
  end if;
  select * into v_settings from genflow.settings where singleton;
  update genflow.provider
    set consecutive_failures = consecutive_failures + 1,
      breaker_open_until = case when consecutive_failures + 1 >= v_settings.breaker_failure_threshold
        then genflow.clock() + make_interval(secs => v_settings.breaker_open_seconds) else breaker_open_until end
    where singleton;
end $$;
comment on function genflow.note_provider_health(boolean) is
  'The circuit breaker''s memory: network errors and 5xx in a row open it; any definite answer closes it.';

-- One definite failure of one attempt, as the decision table says. Closes the attempt; moves the job only if it
-- follows this attempt and is still waiting for it.
create function genflow.apply_failure(p_attempt_id uuid, p_how text, p_class text, p_retry_after_seconds double precision default null)
returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
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
        when v_rule.pause_seconds > 0 then coalesce(p_retry_after_seconds, genflow.random_unit() * v_rule.pause_seconds)
        else coalesce(p_retry_after_seconds, genflow.backoff_seconds(v_job.attempts)) end;
      perform genflow.requeue_job(v_job.id, v_rule.burns, v_rule.error_code, v_delay);
    end if;
  end if;
  perform genflow.promote(v_attempt.user_id);
  -- Last in the lock order.
  if v_rule.pause_seconds > 0 then
    perform genflow.pause_claims(p_class, coalesce(p_retry_after_seconds, v_rule.pause_seconds));
  end if;
  if v_rule.is_outage is not null then
    perform genflow.note_provider_health(v_rule.is_outage);
  end if;
end $$;
comment on function genflow.apply_failure(uuid, text, text, double precision) is 'Carries out genflow.failure_classes for one attempt. A class never heard of counts as task_failed.';

revoke execute on function genflow.lock_job(uuid), genflow.lock_attempt(uuid), genflow.close_hold(uuid, integer),
  genflow.close_hold_of_canceled(uuid), genflow.close_attempt(uuid, text), genflow.fail_job(uuid, text),
  genflow.requeue_job(uuid, boolean, text, double precision), genflow.backoff_seconds(integer),
  genflow.pause_claims(text, double precision), genflow.note_provider_health(boolean),
  genflow.apply_failure(uuid, text, text, double precision)
  from public, anon, authenticated, service_role;
