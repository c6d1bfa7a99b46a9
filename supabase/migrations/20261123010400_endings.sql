-- How jobs and attempts end, and how a hold closes: one write of the job, one of the account, one entry.

create function genflow.end_job(p_job_id uuid, p_status public.generation_status, p_captured integer, p_error_code text, p_detail jsonb)
returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_job record;
  v_retryable boolean := false;
begin
  if p_error_code is not null then
    select retryable into v_retryable from genflow.job_errors where code = p_error_code;
  end if;
  update public.generation_jobs
    set status = p_status, ended_at = v_now, ready_at = null, not_before = null, credits_captured = p_captured, error_code = p_error_code,
      retryable = v_retryable
    where id = p_job_id and credits_captured is null
    returning user_id, credits_held into v_job;
  if not found then
    raise exception 'job % has no open hold to end with', p_job_id using errcode = 'check_violation';
  end if;
  perform genflow.add_entry(v_job.user_id, 'close', v_job.credits_held - p_captured, p_job_id, null, p_captured);
  insert into public.generation_events (job_id, user_id, at, event, status, detail) values
    (p_job_id, v_job.user_id, v_now, p_status::text, p_status, p_detail),
    (p_job_id, v_job.user_id, v_now, 'hold_closed', p_status,
      jsonb_build_object('captured', p_captured, 'released', v_job.credits_held - p_captured));
  perform genflow.promote(v_job.user_id);
end $$;
comment on function genflow.end_job(uuid, public.generation_status, integer, text, jsonb) is
  'Ends a job together with its hold: captured stays, the rest returns to the balance. A cancel may leave the hold open and does not come here.';

create or replace function genflow.fail_job(p_job_id uuid, p_code text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform genflow.end_job(p_job_id, 'failed', 0, p_code, jsonb_build_object('error_code', p_code));
end $$;

create or replace function genflow.close_hold_of_canceled(p_job_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job record;
  v_delivered integer;
begin
  select status, credits_captured, credits_per_image, num_images into v_job from public.generation_jobs where id = p_job_id;
  if v_job.status <> 'canceled' or v_job.credits_captured is not null
    or exists (select 1 from genflow.attempts where job_id = p_job_id and closed_at is null) then
    return;
  end if;
  select coalesce(max(cardinality(output_urls)), 0) into v_delivered
    from genflow.attempts where job_id = p_job_id and closed_how = 'delivered';
  perform genflow.close_hold(p_job_id, v_job.credits_per_image * least(v_job.num_images::integer, v_delivered));
end $$;

create or replace function genflow.requeue_job(p_job_id uuid, p_burns boolean, p_error_code text, p_delay_seconds double precision) returns void
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
      ready_order = case when genflow.keeps_place(v_job.user_id) then ready_order end,
      not_before = case when p_delay_seconds > 0 then genflow.clock() + make_interval(secs => p_delay_seconds) end
    where id = p_job_id;
  perform genflow.add_event(p_job_id, 'requeued', null,
    jsonb_build_object('delay_seconds', round(p_delay_seconds::numeric, 1), 'burnt', p_burns));
  perform genflow.promote(v_job.user_id);
end $$;
comment on function genflow.requeue_job(uuid, boolean, text, double precision) is
  'Another turn after a delay, at its old place while its user has no more such places than slots; the job fails with p_error_code if its attempts are burnt up.';
