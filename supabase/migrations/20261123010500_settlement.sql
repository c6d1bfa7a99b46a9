-- From a result to a picture in storage, with each row written once a call.

create or replace function public.settle_generation(p_task_id text, p_attempt_id uuid, p_result jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_terminal constant text[] := '{completed,failed,cancelled,timeout,deleted}';
  v_status text := p_result ->> 'status';
  v_now timestamptz;
  v_attempt genflow.attempts;
  v_job record;
  v_delivered boolean;
begin
  select * into v_attempt from genflow.attempts where task_id = p_task_id;
  if not found then
    -- A callback can be here before the submit's answer is: its token says which attempt it speaks of.
    select * into v_attempt from genflow.attempts where id = p_attempt_id and task_id is null and sent_at is not null;
  end if;
  if not found or not genflow.lock_attempt(v_attempt.id) then
    return jsonb_build_object('next', 'unknown_task');
  end if;
  if v_attempt.task_id is null and not genflow.attach_task(v_attempt.id, p_task_id) then
    return jsonb_build_object('next', 'unknown_task');
  end if;
  v_now := genflow.clock();
  select * into v_attempt from genflow.attempts where id = v_attempt.id;

  if v_status = 'unknown_status' and not exists (
    select 1 from public.generation_events where job_id = v_attempt.job_id and attempt = v_attempt.number and event = 'provider_status_unknown'
  ) then
    -- A word never documented does not end the task; somebody should know of it.
    perform genflow.add_event(v_attempt.job_id, 'provider_status_unknown', v_attempt.number);
  end if;
  if v_status = any (v_terminal) and v_attempt.result_status is null then
    v_delivered := v_status = 'completed' and jsonb_array_length(p_result -> 'outputs') > 0;
    if v_delivered then
      perform genflow.take_delivery(v_attempt, p_result, v_now);
      v_attempt.result_status := v_status;
    else
      update genflow.attempts
        set result_status = v_status, result_at = v_now, next_poll_at = null,
          result_class = case when v_status = 'completed' then 'no_outputs' else coalesce(p_result ->> 'class', 'task_failed') end,
          closed_how = case when closed_at is not null then 'failed' end
        where id = v_attempt.id
        returning * into v_attempt;
      perform genflow.apply_failure(v_attempt.id, 'failed', v_attempt.result_class);
    end if;
  end if;
  select id, trace_id, status, attempt_id into v_job from public.generation_jobs where id = v_attempt.job_id;
  return jsonb_build_object('jobId', v_job.id, 'attemptId', v_attempt.id, 'traceId', v_job.trace_id, 'status', v_job.status, 'next',
    case when v_job.status = 'persisting' and v_job.attempt_id = v_attempt.id then 'persist'
      when v_attempt.result_status is null and v_attempt.closed_at is null then 'wait' else 'none' end);
end $$;

create function genflow.take_delivery(p_attempt genflow.attempts, p_result jsonb, p_now timestamptz) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_status public.generation_status;
  v_outputs text[] := array(select jsonb_array_elements_text(p_result -> 'outputs'));
begin
  -- A success counts from any attempt of a job that has not ended and is not being stored already.
  update public.generation_jobs
    set status = 'persisting', persisting_at = p_now, ready_at = null, not_before = null, attempt_id = p_attempt.id
    where id = p_attempt.job_id and status in ('queued', 'submitting', 'unknown', 'processing')
    returning status into v_status;
  update genflow.attempts
    set result_status = 'completed', result_at = p_now, result_class = null, output_urls = v_outputs,
      flagged = array(select value::boolean from jsonb_array_elements_text(coalesce(p_result -> 'flagged', '[]'))),
      next_poll_at = null, next_persist_at = case when v_status is not null then p_now end,
      closed_at = coalesce(closed_at, p_now), closed_how = 'delivered'
    where id = p_attempt.id;
  if v_status is not null then
    insert into public.generation_events (job_id, user_id, at, event, status, attempt, detail)
      values (p_attempt.job_id, p_attempt.user_id, p_now, 'persisting', v_status, p_attempt.number,
        jsonb_build_object('outputs', cardinality(v_outputs)));
  end if;
  if p_attempt.closed_at is null then
    perform genflow.add_event(p_attempt.job_id, 'attempt_closed', p_attempt.number, jsonb_build_object('how', 'delivered'));
    if v_status is null then
      perform genflow.close_hold_of_canceled(p_attempt.job_id);
      perform genflow.promote(p_attempt.user_id);
    end if;
  end if;
end $$;
comment on function genflow.take_delivery(genflow.attempts, jsonb, timestamptz) is
  'The provider has delivered: the attempt closes, and the job follows it into storing unless it has ended or stores another''s pictures.';

drop function genflow.begin_persisting(uuid);

create or replace function genflow.image_path(p_user_id uuid, p_job_id uuid, p_index integer, p_lease uuid) returns text
language plpgsql immutable security definer set search_path = ''
as $$ begin return p_user_id || '/' || p_job_id || '/' || p_index || '-' || left(p_lease::text, 8); end $$;

create or replace function genflow.persists_json(p_claim_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
        'attemptId', a.id, 'jobId', j.id, 'traceId', j.trace_id, 'leaseToken', a.persist_lease,
        'leaseSeconds', greatest(0, extract(epoch from a.persist_lease_expires_at - v_now)),
        'images', (
          select coalesce(jsonb_agg(jsonb_build_object('index', n, 'url', a.output_urls[n + 1], 'flagged', coalesce(a.flagged[n + 1], false),
              'path', genflow.image_path(j.user_id, j.id, n, a.persist_lease)) order by n), '[]')
          from generate_series(0, least(j.num_images::integer, cardinality(a.output_urls)) - 1) n
          where not exists (select 1 from public.generation_images i where i.job_id = j.id and i.index = n)))
      order by a.id), '[]')
    from genflow.attempts a join public.generation_jobs j on j.id = a.job_id
    where a.persist_claim_id = p_claim_id and a.persist_lease is not null);
end $$;

create or replace function genflow.finish_job(p_job_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job record;
  v_images integer;
begin
  select credits_per_image, persisting_at into v_job from public.generation_jobs where id = p_job_id;
  select count(*) into v_images from public.generation_images where job_id = p_job_id;
  update genflow.attempts set next_persist_at = null where job_id = p_job_id and next_persist_at is not null;
  if v_images > 0 then
    perform genflow.end_job(p_job_id, 'completed', v_job.credits_per_image * v_images, null, jsonb_build_object('images', v_images));
  else
    perform genflow.fail_job(p_job_id,
      case when v_job.persisting_at + make_interval(secs => (select persist_deadline_seconds from genflow.settings where singleton)) <= genflow.clock()
        then 'storage_timeout' else 'outputs_unusable' end);
  end if;
end $$;

revoke execute on function genflow.end_job(uuid, public.generation_status, integer, text, jsonb),
  genflow.take_delivery(genflow.attempts, jsonb, timestamptz)
  from public, anon, authenticated, service_role;
