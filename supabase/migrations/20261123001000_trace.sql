-- What a callback leads to is told under its job's trace: the two functions that a callback reaches name it.
-- Their other lines are as before.

create or replace function public.settle_generation(p_task_id text, p_attempt_id uuid, p_result jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_terminal constant text[] := '{completed,failed,cancelled,timeout,deleted}';
  v_status text := p_result ->> 'status';
  v_now timestamptz;
  v_attempt genflow.attempts;
  v_job public.generation_jobs;
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
    update genflow.attempts
      set result_status = v_status, result_at = v_now, next_poll_at = null,
        result_class = case when v_delivered then null when v_status = 'completed' then 'no_outputs' else coalesce(p_result ->> 'class', 'task_failed') end,
        output_urls = case when v_delivered then array(select jsonb_array_elements_text(p_result -> 'outputs')) else '{}' end,
        flagged = array(select value::boolean from jsonb_array_elements_text(coalesce(p_result -> 'flagged', '[]'))),
        closed_how = case when closed_at is not null then case when v_delivered then 'delivered' else 'failed' end end
      where id = v_attempt.id
      returning * into v_attempt;
    if v_delivered then
      perform genflow.begin_persisting(v_attempt.id);
      perform genflow.close_attempt(v_attempt.id, 'delivered');
      perform genflow.promote(v_attempt.user_id);
    else
      perform genflow.apply_failure(v_attempt.id, 'failed', v_attempt.result_class);
    end if;
  end if;
  select * into v_job from public.generation_jobs where id = v_attempt.job_id;
  return jsonb_build_object('jobId', v_job.id, 'attemptId', v_attempt.id, 'traceId', v_job.trace_id, 'status', v_job.status, 'next',
    case when v_job.status = 'persisting' and v_job.attempt_id = v_attempt.id then 'persist'
      when v_attempt.result_status is null and v_attempt.closed_at is null then 'wait' else 'none' end);
end $$;

create or replace function public.note_callback(p_attempt_id uuid, p_token_hash text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz;
  v_attempt genflow.attempts;
  v_ids jsonb;
begin
  perform 1 from genflow.attempts where id = p_attempt_id for no key update;
  v_now := genflow.clock();
  select * into v_attempt from genflow.attempts where id = p_attempt_id and callback_token_hash = p_token_hash;
  if not found then
    return jsonb_build_object('known', false, 'pollDue', false);
  end if;
  select jsonb_build_object('known', true, 'jobId', j.id, 'traceId', j.trace_id) into v_ids
    from public.generation_jobs j where j.id = v_attempt.job_id;
  update genflow.attempts set unverified_callbacks = unverified_callbacks + 1 where id = p_attempt_id;
  if v_attempt.closed_at is not null or v_attempt.task_id is null
    or v_attempt.callback_poll_at > v_now - make_interval(secs => (select callback_poll_interval_seconds from genflow.settings where singleton)) then
    return v_ids || jsonb_build_object('pollDue', false);
  end if;
  update genflow.attempts set next_poll_at = v_now, callback_poll_at = v_now where id = p_attempt_id;
  return v_ids || jsonb_build_object('pollDue', true);
end $$;
