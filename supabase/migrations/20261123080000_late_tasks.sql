-- A task id that arrives after its attempt's time is a fact and no more: it reopens nothing. Reopened, the attempt would
-- be abandoned again by the next sweep, and until then hold a slot, or take its job back from the queue.

create or replace function genflow.attach_task(p_attempt_id uuid, p_task_id text) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_attempt genflow.attempts;
  v_is_over boolean;
  v_job record;
  v_unsent uuid;
begin
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  if p_task_id is null then
    return false;
  elsif v_attempt.task_id is not null then
    return v_attempt.task_id = p_task_id;
  elsif exists (select 1 from genflow.attempts where task_id = p_task_id) then
    return false;
  end if;
  v_is_over := v_attempt.closed_at is not null and v_now >= v_attempt.sent_at + make_interval(secs =>
    (select attempt_max_age_with_task_seconds from genflow.settings where singleton));
  update genflow.attempts
    set task_id = p_task_id, submission = 'accepted', submission_class = null,
      closed_at = case when v_is_over then closed_at end, closed_how = case when v_is_over then closed_how end,
      next_poll_at = case when not v_is_over then genflow.first_poll_at(model_id, v_now) end
    where id = p_attempt_id;
  select id, user_id, status, attempt_id into v_job from public.generation_jobs where id = v_attempt.job_id;
  if not v_is_over and v_job.status = 'submitting' and v_job.attempt_id <> p_attempt_id then
    -- The attempt that followed this one is not sent any more, if it has not been yet.
    select id into v_unsent from genflow.attempts where id = v_job.attempt_id and sent_at is null;
    if found then
      perform genflow.close_attempt(v_unsent, 'never_sent');
    end if;
  end if;
  if not v_is_over and (v_job.status = 'queued' or v_unsent is not null
    or (v_job.status in ('submitting', 'unknown') and v_job.attempt_id = p_attempt_id)) then
    update public.generation_jobs
      set status = 'processing', processing_at = v_now, ready_at = null, not_before = null, attempt_id = p_attempt_id
      where id = v_job.id
      returning status into v_job.status;
  end if;
  insert into public.generation_events (job_id, user_id, at, event, status, attempt)
    values (v_job.id, v_job.user_id, v_now, 'submitted', v_job.status, v_attempt.number);
  return true;
end $$;
comment on function genflow.attach_task(uuid, text) is
  'Ties the provider''s task to its attempt; false if there is none or either is already tied elsewhere. Reopens an attempt that was closed without an answer, within its maximum age. The caller holds the locks.';
