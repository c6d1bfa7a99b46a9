-- The sweep, with what it keeps besides: estimates for the queue, and reference images that nothing needs any more.

-- One account that somebody holds for long, such as an operator's open transaction, must not stop the sweep for all.
drop function genflow.sweep_batch(uuid[], text);

create function genflow.sweep_batch(p_job_ids uuid[], p_step text, out moved integer, out busy_user_ids uuid[], out left_job_ids uuid[])
language plpgsql volatile security definer set search_path = '' set lock_timeout = '200ms'
as $$
declare
  v_job record;
begin
  moved := 0;
  for v_job in select id, user_id from public.generation_jobs where id = any (p_job_ids) order by user_id, id loop
    continue when v_job.user_id = any (busy_user_ids);
    begin
      if genflow.lock_job(v_job.id) then
        moved := moved + case p_step
          when 'leases' then genflow.end_lease(v_job.id)
          when 'deadlines' then genflow.end_deadline(v_job.id)
          when 'unknowns' then genflow.end_unknown(v_job.id)
          when 'attempts' then genflow.end_attempts(v_job.id)
        end;
      end if;
    exception
      when lock_not_available then
        busy_user_ids := busy_user_ids || v_job.user_id;
      when others then
        left_job_ids := left_job_ids || v_job.id;
        raise warning 'genflow.sweep: step % left job % where it is: %', p_step, v_job.id, sqlerrm;
    end;
  end loop;
end $$;
comment on function genflow.sweep_batch(uuid[], text) is
  'Carries one step out for each of these jobs under its locks. Names the users whose account somebody held for 200 ms and the jobs that could not be moved.';
revoke execute on function genflow.sweep_batch(uuid[], text) from public, anon, authenticated, service_role;

create function genflow.sweep_due(p_step text, p_busy_user_ids uuid[], p_left_job_ids uuid[]) returns uuid[]
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_now timestamptz := genflow.clock();
  v_settings genflow.settings;
begin
  select * into v_settings from genflow.settings where singleton;
  -- Attempts find their job by its key.
  if p_step = 'leases' then
    return array(select a.job_id from genflow.attempts a join public.generation_jobs j on j.id = a.job_id and j.attempt_id = a.id
      where a.closed_at is null and a.task_id is null and a.lease_expires_at <= v_now and j.status = 'submitting'
        and a.user_id <> all (p_busy_user_ids) and a.job_id <> all (p_left_job_ids)
      order by a.lease_expires_at limit v_batch);
  elsif p_step = 'deadlines' then
    return array((select id from public.generation_jobs where status = 'queued'
          and created_at <= v_now - make_interval(secs => v_settings.queue_deadline_seconds)
          and user_id <> all (p_busy_user_ids) and id <> all (p_left_job_ids) order by created_at limit v_batch)
      union all (select id from public.generation_jobs where status = 'processing'
          and processing_at <= v_now - make_interval(secs => v_settings.processing_deadline_seconds)
          and user_id <> all (p_busy_user_ids) and id <> all (p_left_job_ids) order by processing_at limit v_batch)
      union all (select id from public.generation_jobs where status = 'persisting'
          and persisting_at <= v_now - make_interval(secs => v_settings.persist_deadline_seconds)
          and user_id <> all (p_busy_user_ids) and id <> all (p_left_job_ids) order by persisting_at limit v_batch));
  elsif p_step = 'unknowns' then
    return array(select a.job_id from genflow.attempts a join public.generation_jobs j on j.id = a.job_id and j.attempt_id = a.id
      where a.closed_at is null and a.task_id is null and j.status = 'unknown'
        and a.lease_expires_at <= v_now - make_interval(secs => v_settings.unknown_grace_seconds)
        and a.user_id <> all (p_busy_user_ids) and a.job_id <> all (p_left_job_ids)
      order by a.lease_expires_at limit v_batch);
  elsif p_step = 'attempts' then
    return array(select distinct job_id from genflow.attempts where closed_at is null and (
        (sent_at is null and lease_expires_at <= v_now)
        or sent_at <= v_now - make_interval(secs => case when task_id is null
          then v_settings.attempt_max_age_without_task_seconds else v_settings.attempt_max_age_with_task_seconds end))
        and user_id <> all (p_busy_user_ids) and job_id <> all (p_left_job_ids)
      limit v_batch);
  end if;
  raise exception 'no such step: %', p_step using errcode = '22023';
end $$;
comment on function genflow.sweep_due(text, uuid[], uuid[]) is 'Up to 100 jobs (100 a state, for deadlines) that the step is due for, but for these users'' and these.';
revoke execute on function genflow.sweep_due(text, uuid[], uuid[]) from public, anon, authenticated, service_role;

create or replace function genflow.sweep_step(p_step text) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_max_pages constant integer := 20;
  v_busy_user_ids uuid[] := array[]::uuid[];
  v_left_job_ids uuid[] := array[]::uuid[];
  v_job_ids uuid[];
  v_batch record;
begin
  -- A page on which nothing could be moved is not the end: what stands behind it may be others'.
  for v_page in 1 .. v_max_pages loop
    v_job_ids := genflow.sweep_due(p_step, v_busy_user_ids, v_left_job_ids);
    exit when cardinality(v_job_ids) = 0;
    select * into v_batch from genflow.sweep_batch(v_job_ids, p_step);
    if v_batch.moved > 0 then
      return v_batch.moved;
    end if;
    exit when v_batch.busy_user_ids is null and v_batch.left_job_ids is null;
    v_busy_user_ids := v_busy_user_ids || v_batch.busy_user_ids;
    v_left_job_ids := v_left_job_ids || v_batch.left_job_ids;
  end loop;
  return 0;
end $$;
comment on function genflow.sweep_step(text) is
  'One batch of one step: leases, deadlines, unknowns or attempts. Answers how many it moved. Passes over users whose account somebody holds and jobs that cannot be moved.';

create function genflow.sweep_upkeep(p_task text) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return case p_task
    when 'estimates' then genflow.keep_estimates()
    when 'inputs' then genflow.purge_inputs()
    when 'pruned' then genflow.prune()
    when 'woke' then genflow.wake_sweep_function()::integer
  end;
end $$;
comment on function genflow.sweep_upkeep(text) is 'One task that each sweep does once: estimates, inputs, pruned or woke. Answers how many rows it touched.';

create or replace procedure genflow.sweep()
language plpgsql
as $$
declare
  v_started_at timestamptz := genflow.clock();
  v_until timestamptz;
  v_step text;
  v_moved integer;
  v_counts jsonb := '{}';
  v_errors integer := 0;
begin
  select v_started_at + pg_catalog.make_interval(secs => sweep_seconds) into v_until from genflow.settings where singleton;
  foreach v_step in array array['leases', 'deadlines', 'unknowns', 'attempts'] loop
    loop
      begin
        v_moved := genflow.sweep_step(v_step);
      exception when others then
        v_moved := 0;
        v_errors := v_errors + 1;
        raise warning 'genflow.sweep: step % failed: %', v_step, sqlerrm;
      end;
      commit;
      v_counts := v_counts || pg_catalog.jsonb_build_object(v_step, coalesce((v_counts ->> v_step)::integer, 0) + v_moved);
      exit when v_moved = 0 or genflow.clock() >= v_until;
    end loop;
  end loop;
  loop
    begin
      v_moved := genflow.sweep_promotions();
    exception when others then
      v_moved := 0;
      v_errors := v_errors + 1;
      raise warning 'genflow.sweep: promotions failed: %', sqlerrm;
    end;
    commit;
    exit when v_moved < 100 or genflow.clock() >= v_until;
  end loop;
  -- Waking comes last: what the others have made due goes with it.
  foreach v_step in array array['estimates', 'inputs', 'pruned', 'woke'] loop
    begin
      v_moved := genflow.sweep_upkeep(v_step);
      v_counts := v_counts || pg_catalog.jsonb_build_object(v_step, v_moved);
    exception when others then
      v_errors := v_errors + 1;
      raise warning 'genflow.sweep: % failed: %', v_step, sqlerrm;
    end;
    commit;
  end loop;
  perform genflow.note_sweep(v_started_at, v_counts, v_errors);
end $$;

revoke execute on function genflow.sweep_upkeep(text) from public, anon, authenticated, service_role;
