-- The sweep: what ends every job even when nothing else runs, and what wakes the functions when they are needed.

-- Each step takes a batch, in ascending user order, and answers how many it moved. A job that cannot be moved is
-- left where it is with a warning, so that one bad row stops nobody else's.

create function genflow.sweep_batch(p_job_ids uuid[], p_step text) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job_id uuid;
  v_moved integer := 0;
begin
  for v_job_id in select id from public.generation_jobs where id = any (p_job_ids) order by user_id, id loop
    begin
      if genflow.lock_job(v_job_id) then
        v_moved := v_moved + case p_step
          when 'leases' then genflow.end_lease(v_job_id)
          when 'deadlines' then genflow.end_deadline(v_job_id)
          when 'unknowns' then genflow.end_unknown(v_job_id)
          when 'attempts' then genflow.end_attempts(v_job_id)
        end;
      end if;
    exception when others then
      raise warning 'genflow.sweep: step % left job % where it is: %', p_step, v_job_id, sqlerrm;
    end;
  end loop;
  return v_moved;
end $$;
comment on function genflow.sweep_batch(uuid[], text) is 'Carries one step out for each of these jobs under its locks.';

create function genflow.end_lease(p_job_id uuid) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_job public.generation_jobs;
  v_attempt genflow.attempts;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  select * into v_attempt from genflow.attempts where id = v_job.attempt_id;
  if v_job.status <> 'submitting' or v_attempt.lease_expires_at > v_now then
    return 0;
  elsif v_attempt.send_id is null then
    perform genflow.apply_failure(v_attempt.id, 'never_sent', 'interrupted');
  else
    update genflow.attempts set submission = 'unknown', submission_class = 'lost' where id = v_attempt.id and submission is null;
    update public.generation_jobs set status = 'unknown' where id = p_job_id;
    perform genflow.add_event(p_job_id, 'unknown', v_attempt.number, jsonb_build_object('cause', 'lost'));
  end if;
  return 1;
end $$;
comment on function genflow.end_lease(uuid) is 'A worker did not come back: before it sent, the job is queued again; after, nobody knows.';

create function genflow.end_deadline(p_job_id uuid) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_job public.generation_jobs;
  v_settings genflow.settings;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  select * into v_settings from genflow.settings where singleton;
  if v_job.status = 'queued' and v_job.created_at + make_interval(secs => v_settings.queue_deadline_seconds) <= v_now then
    perform genflow.fail_job(p_job_id, 'queue_expired');
  elsif v_job.status = 'processing' and v_job.processing_at + make_interval(secs => v_settings.processing_deadline_seconds) <= v_now then
    perform genflow.fail_job(p_job_id, 'processing_timeout');
  elsif v_job.status = 'persisting' and v_job.persisting_at + make_interval(secs => v_settings.persist_deadline_seconds) <= v_now then
    perform genflow.finish_job(p_job_id);
  else
    return 0;
  end if;
  return 1;
end $$;
comment on function genflow.end_deadline(uuid) is 'Ends what waited longer than allowed: in the queue, for the provider or for storage.';

create function genflow.end_unknown(p_job_id uuid) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
  v_lease_end timestamptz;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  select lease_expires_at into v_lease_end from genflow.attempts where id = v_job.attempt_id;
  if v_job.status <> 'unknown'
    or v_lease_end + make_interval(secs => (select unknown_grace_seconds from genflow.settings where singleton)) > genflow.clock() then
    return 0;
  end if;
  perform genflow.fail_job(p_job_id, 'submit_unknown');
  return 1;
end $$;
comment on function genflow.end_unknown(uuid) is 'Gives an unknown up after its grace: never a second attempt while the first may exist, so the user is asked to retry.';

create function genflow.end_attempts(p_job_id uuid) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_settings genflow.settings;
  v_attempt genflow.attempts;
  v_closed integer := 0;
begin
  select * into v_settings from genflow.settings where singleton;
  for v_attempt in select * from genflow.attempts where job_id = p_job_id and closed_at is null loop
    if v_attempt.sent_at is null then
      continue when v_attempt.lease_expires_at > v_now;
      -- Not only the attempt: its lease may have run out after the step for leases, with the job still waiting for it.
      perform genflow.apply_failure(v_attempt.id, 'never_sent', 'interrupted');
    else
      continue when v_attempt.sent_at + make_interval(secs => case when v_attempt.task_id is null
        then v_settings.attempt_max_age_without_task_seconds else v_settings.attempt_max_age_with_task_seconds end) > v_now;
      perform genflow.apply_failure(v_attempt.id, 'abandoned', 'abandoned');
    end if;
    v_closed := v_closed + 1;
  end loop;
  if v_closed > 0 then
    perform genflow.promote((select user_id from public.generation_jobs where id = p_job_id));
  end if;
  return v_closed;
end $$;
comment on function genflow.end_attempts(uuid) is 'Closes attempts that nobody will hear of again, and with the last one a canceled job''s hold.';

create function genflow.sweep_step(p_step text) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_now timestamptz := genflow.clock();
  v_settings genflow.settings;
  v_ids uuid[];
begin
  select * into v_settings from genflow.settings where singleton;
  if p_step = 'leases' then
    v_ids := array(select a.job_id from genflow.attempts a join public.generation_jobs j on j.attempt_id = a.id
      where a.closed_at is null and a.task_id is null and a.lease_expires_at <= v_now and j.status = 'submitting'
      order by a.lease_expires_at limit v_batch);
  elsif p_step = 'deadlines' then
    v_ids := array((select id from public.generation_jobs where status = 'queued'
          and created_at <= v_now - make_interval(secs => v_settings.queue_deadline_seconds) order by created_at limit v_batch)
      union all (select id from public.generation_jobs where status = 'processing'
          and processing_at <= v_now - make_interval(secs => v_settings.processing_deadline_seconds) order by processing_at limit v_batch)
      union all (select id from public.generation_jobs where status = 'persisting'
          and persisting_at <= v_now - make_interval(secs => v_settings.persist_deadline_seconds) order by persisting_at limit v_batch));
  elsif p_step = 'unknowns' then
    v_ids := array(select a.job_id from genflow.attempts a join public.generation_jobs j on j.attempt_id = a.id
      where a.closed_at is null and a.task_id is null and j.status = 'unknown'
        and a.lease_expires_at <= v_now - make_interval(secs => v_settings.unknown_grace_seconds)
      order by a.lease_expires_at limit v_batch);
  elsif p_step = 'attempts' then
    v_ids := array(select distinct job_id from genflow.attempts where closed_at is null and (
        (sent_at is null and lease_expires_at <= v_now)
        or sent_at <= v_now - make_interval(secs => case when task_id is null
          then v_settings.attempt_max_age_without_task_seconds else v_settings.attempt_max_age_with_task_seconds end))
      limit v_batch);
  else
    raise exception 'no such step: %', p_step using errcode = '22023';
  end if;
  return genflow.sweep_batch(v_ids, p_step);
end $$;
comment on function genflow.sweep_step(text) is 'One batch of one step: leases, deadlines, unknowns or attempts. Answers how many it moved.';

create table genflow.sweep_state (
  singleton boolean primary key default true check (singleton),
  promoted_to uuid
);
comment on table genflow.sweep_state is 'Where the next sweep goes on: the last user whose waiting jobs were promoted; null = from the beginning.';
insert into genflow.sweep_state default values;
revoke all on table genflow.sweep_state from public, anon, authenticated, service_role;

create function genflow.sweep_promotions() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_last uuid := (select promoted_to from genflow.sweep_state where singleton);
  v_user_id uuid;
  v_users integer := 0;
begin
  while v_users < v_batch loop
    -- One index seek a user, however many jobs each has waiting.
    select user_id into v_user_id from public.generation_jobs
      where status = 'queued' and ready_at is null and (v_last is null or user_id > v_last)
      order by user_id limit 1;
    exit when not found;
    perform genflow.lock_account(v_user_id);
    perform genflow.promote(v_user_id);
    v_last := v_user_id;
    v_users := v_users + 1;
  end loop;
  update genflow.sweep_state set promoted_to = case when v_users = v_batch then v_last end where singleton;
  return v_users;
end $$;
comment on function genflow.sweep_promotions() is
  'Promotes for the next users in order: delays that ran out, caps that were raised. Answers how many users it looked at; fewer than a batch means it is through.';

create function genflow.prune() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_before timestamptz := genflow.clock()
    - make_interval(days => (select sweep_history_days from genflow.settings where singleton));
  v_rows integer;
begin
  delete from genflow.sweeps where started_at < v_before;
  get diagnostics v_rows = row_count;
  delete from genflow.storage_purges where done_at < v_before;
  if to_regclass('cron.job_run_details') is not null then
    -- pg_cron never removes its own history.
    execute 'delete from cron.job_run_details where end_time < $1' using v_before;
  end if;
  return v_rows;
end $$;
comment on function genflow.prune() is 'Removes the sweep''s and pg_cron''s own history past its keeping time.';

create function genflow.note_sweep(p_started_at timestamptz, p_counts jsonb, p_errors integer) returns void
language sql volatile security definer set search_path = ''
as $$
  insert into genflow.sweeps (kind, started_at, finished_at, counts, errors)
  values ('sql', p_started_at, genflow.clock(), p_counts, p_errors)
$$;
comment on function genflow.note_sweep(timestamptz, jsonb, integer) is 'Keeps what a sweep did.';

-- pg_cron runs this as its one statement. SECURITY INVOKER and without SET, for a procedure with either of them may
-- not COMMIT; so every name in it is qualified. It stops itself well before a statement timeout could.
create procedure genflow.sweep()
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
  begin
    perform genflow.prune();
  exception when others then
    v_errors := v_errors + 1;
    raise warning 'genflow.sweep: pruning failed: %', sqlerrm;
  end;
  commit;
  begin
    v_counts := v_counts || pg_catalog.jsonb_build_object('woke', genflow.wake_sweep_function());
  exception when others then
    v_errors := v_errors + 1;
    raise warning 'genflow.sweep: waking the function failed: %', sqlerrm;
  end;
  commit;
  perform genflow.note_sweep(v_started_at, v_counts, v_errors);
end $$;
comment on procedure genflow.sweep() is
  'Ends what is over, promotes what may run, wakes the sweep function if HTTP work is due. Needs no HTTP to end jobs and return credits. Commits between steps.';

revoke execute on function genflow.sweep_batch(uuid[], text), genflow.end_lease(uuid), genflow.end_deadline(uuid), genflow.end_unknown(uuid),
  genflow.end_attempts(uuid), genflow.sweep_step(text), genflow.sweep_promotions(), genflow.prune(),
  genflow.note_sweep(timestamptz, jsonb, integer) from public, anon, authenticated, service_role;
revoke execute on procedure genflow.sweep() from public, anon, authenticated, service_role;
