-- From ready to submitted, with each row read and written once.

-- The account's lock alone orders all that happens to its user's jobs and attempts: nobody changes either without it,
-- but for polls and callbacks, which touch only when an attempt is asked for next. A lock is a write, so rows that
-- the account covers are not locked one by one.
create or replace function genflow.lock_job(p_job_id uuid) returns boolean
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
  return exists (select 1 from public.generation_jobs where id = p_job_id);
end $$;
comment on function genflow.lock_job(uuid) is 'Takes the lock of the job''s account; false if there is no such job. Read what it protects afterwards.';

create or replace function genflow.lock_attempt(p_attempt_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  select user_id into v_user_id from genflow.attempts where id = p_attempt_id;
  if not found then
    return false;
  end if;
  perform 1 from genflow.accounts where user_id = v_user_id for no key update;
  return exists (select 1 from genflow.attempts where id = p_attempt_id);
end $$;
comment on function genflow.lock_attempt(uuid) is 'genflow.lock_job for the attempt''s job.';

-- Indexes that each write pays for and a sweep every few seconds can do without: open attempts are no more than the
-- provider's cap, running jobs not many more, and there is an index of each. Without the one on leases, marking an
-- attempt as sent touches no index at all.
drop index genflow.attempts_open_of_job;
drop index genflow.attempts_lease;
drop index genflow.attempts_poll;
drop index public.generation_jobs_processing_age;
drop index public.generation_jobs_persisting_age;

create or replace function genflow.claims_json(p_claim_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
        'attemptId', a.id, 'leaseToken', a.lease_token,
        'leaseSeconds', greatest(0, extract(epoch from a.lease_expires_at - v_now)),
        'jobId', j.id, 'userId', j.user_id, 'traceId', j.trace_id, 'attempt', a.number,
        'model', m.provider, 'prompt', p.prompt, 'aspectRatio', j.aspect_ratio, 'numImages', j.num_images,
        'seed', coalesce(j.seed, a.seed), 'inputPaths', j.input_paths,
        'submitDeadlineSeconds', s.submit_deadline_seconds)
      order by j.ready_order, j.id), '[]')
    from genflow.attempts a
      join public.generation_jobs j on j.id = a.job_id
      join public.generation_models m on m.id = j.model_id
      left join public.generation_prompts p on p.job_id = j.id
      cross join genflow.settings s
    where a.claim_id = p_claim_id and s.singleton);
end $$;

drop function genflow.begin_attempt(uuid, uuid, timestamptz);

create function genflow.begin_attempt(p_job public.generation_jobs, p_claim_id uuid, p_number smallint, p_lease_seconds integer, p_now timestamptz)
returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_max_seed constant integer := 2147483647;
  v_attempt_id uuid := genflow.new_id();
  v_seed bigint;
begin
  if p_job.seed is null and exists (
    select 1 from public.generation_models where id = p_job.model_id and provider ->> 'seed_field' is not null
  ) then
    v_seed := floor(genflow.random_unit() * v_max_seed);
  end if;
  insert into genflow.attempts (id, job_id, user_id, number, model_id, claim_id, claimed_at, lease_expires_at, seed)
    values (v_attempt_id, p_job.id, p_job.user_id, p_number, p_job.model_id, p_claim_id, p_now,
      p_now + make_interval(secs => p_lease_seconds), v_seed);
  update public.generation_jobs
    set status = 'submitting', submitting_at = p_now, ready_at = null, not_before = null, attempt_id = v_attempt_id
    where id = p_job.id;
  insert into public.generation_events (job_id, user_id, at, event, status, attempt)
    values (p_job.id, p_job.user_id, p_now, 'submitting', 'submitting', p_number);
end $$;
comment on function genflow.begin_attempt(public.generation_jobs, uuid, smallint, integer, timestamptz) is
  'Makes the attempt and its lease; the job follows it from now on.';

create function genflow.demote(p_user_id uuid, p_jobs integer) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job_ids uuid[];
  v_places integer;
begin
  v_job_ids := array(
    select id from public.generation_jobs
      where user_id = p_user_id and status = 'queued' and ready_at is not null
      order by ready_order desc, id desc limit p_jobs);
  update public.generation_jobs set ready_at = null where id = any (v_job_ids);
  -- Ready and kept places together are no more than there are slots: a user whose cap was lowered from fifty to two
  -- would else have fifty turns before everybody's first.
  v_places := genflow.running_cap(p_user_id) - (
    select count(*) from public.generation_jobs
      where user_id = p_user_id and status = 'queued' and ready_order is not null and id <> all (v_job_ids));
  update public.generation_jobs set ready_order = null
    where id = any (v_job_ids) and id <> all (array(
      select id from public.generation_jobs where id = any (v_job_ids) order by ready_order, id limit greatest(0, v_places)));
end $$;
comment on function genflow.demote(uuid, integer) is
  'Takes the turn away from the last of the user''s ready jobs: more are ready than there are slots, since a cap was lowered or a closed attempt was reopened. They keep their places as far as their user has slots.';

-- The lock is one statement and what it protects is read in later ones: a statement's snapshot is older than its wait.
create or replace function public.claim_generations(p_claim_id uuid, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_max_scanned constant integer := 500;
  v_now timestamptz;
  v_slots integer;
  v_claimed integer := 0;
  v_lease_seconds integer;
  v_candidate record;
  v_job public.generation_jobs;
  v_number smallint;
  v_has_open boolean;
  v_free integer;
  v_skipped uuid[] := '{}';
begin
  perform 1 from genflow.provider where singleton for no key update;
  if exists (select 1 from genflow.attempts where claim_id = p_claim_id) then
    return jsonb_build_object('claims', genflow.claims_json(p_claim_id), 'skippedUserIds', '[]'::jsonb);
  end if;
  v_slots := genflow.claimable(p_limit);
  if v_slots <= 0 then
    return jsonb_build_object('claims', '[]'::jsonb, 'skippedUserIds', '[]'::jsonb);
  end if;
  v_now := genflow.clock();
  select claim_lease_seconds into v_lease_seconds from genflow.settings where singleton;
  for v_candidate in
    select id, user_id from public.generation_jobs
      where status = 'queued' and ready_at is not null
      order by ready_order, id limit v_max_scanned
  loop
    exit when v_claimed >= v_slots;
    continue when v_candidate.user_id = any (v_skipped);
    -- Never waits for an account while it holds the provider: starts wait the other way round.
    perform 1 from genflow.accounts where user_id = v_candidate.user_id for no key update skip locked;
    if not found then
      v_skipped := v_skipped || v_candidate.user_id;
      continue;
    end if;
    select * into v_job from public.generation_jobs
      where id = v_candidate.id and status = 'queued' and ready_at is not null for no key update skip locked;
    continue when not found;
    select coalesce(max(number), 0) + 1, coalesce(bool_or(closed_at is null), false) into v_number, v_has_open
      from genflow.attempts where job_id = v_candidate.id;
    -- An earlier attempt was reopened by a late task id: what it brings is awaited first.
    continue when v_has_open;
    v_free := genflow.free_slots(v_candidate.user_id);
    if v_free < 0 then
      perform genflow.demote(v_candidate.user_id, -v_free);
      -- With every slot taken this one went too.
      continue when not exists (select 1 from public.generation_jobs where id = v_candidate.id and ready_at is not null);
    end if;
    perform genflow.begin_attempt(v_job, p_claim_id, v_number, v_lease_seconds, v_now);
    v_claimed := v_claimed + 1;
  end loop;
  if v_claimed = 0 then
    return jsonb_build_object('claims', '[]'::jsonb, 'skippedUserIds', to_jsonb(v_skipped));
  end if;
  update genflow.provider
    set start_tokens = genflow.tokens_now(start_tokens, start_tokens_at, start_burst, starts_per_minute, v_now) - v_claimed,
      start_tokens_at = v_now,
      breaker_open_until = case when breaker_open_until is not null
        then v_now + make_interval(secs => (select submit_lease_seconds from genflow.settings where singleton)) end
    where singleton;
  return jsonb_build_object('claims', genflow.claims_json(p_claim_id), 'skippedUserIds', to_jsonb(v_skipped));
end $$;

create or replace function public.mark_sending(p_attempt_id uuid, p_lease_token uuid, p_send_id uuid, p_callback_token_hash text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz;
  v_attempt genflow.attempts;
  v_job record;
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('go', false, 'reason', 'not_found');
  end if;
  v_now := genflow.clock();
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  select id, user_id, status, attempt_id into v_job from public.generation_jobs where id = v_attempt.job_id;
  if v_attempt.send_id is not null and v_attempt.send_id <> p_send_id then
    return jsonb_build_object('go', false, 'reason', 'already_sent');
  elsif v_attempt.lease_token <> p_lease_token or v_attempt.lease_expires_at <= v_now
    or v_attempt.closed_at is not null or v_job.attempt_id is distinct from p_attempt_id or v_job.status <> 'submitting' then
    return jsonb_build_object('go', false, 'reason', 'lease_lost');
  end if;
  if v_attempt.send_id is null then
    update genflow.attempts
      set send_id = p_send_id, sent_at = v_now, callback_token_hash = p_callback_token_hash,
        lease_expires_at = v_now + make_interval(secs => (select submit_lease_seconds from genflow.settings where singleton))
      where id = p_attempt_id
      returning lease_expires_at into v_attempt.lease_expires_at;
    insert into public.generation_events (job_id, user_id, at, event, status, attempt)
      values (v_job.id, v_job.user_id, v_now, 'sending', v_job.status, v_attempt.number);
  end if;
  return jsonb_build_object('go', true, 'leaseSeconds', extract(epoch from v_attempt.lease_expires_at - v_now));
end $$;

create or replace function genflow.first_poll_at(p_model_id text, p_from timestamptz) returns timestamptz
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (select p_from + make_interval(secs => greatest(s.first_poll_seconds, m.expected_seconds))
    from genflow.settings s, public.generation_models m where s.singleton and m.id = p_model_id);
end $$;

create or replace function genflow.attach_task(p_attempt_id uuid, p_task_id text) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_attempt genflow.attempts;
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
  update genflow.attempts
    set task_id = p_task_id, submission = 'accepted', submission_class = null, closed_at = null, closed_how = null,
      next_poll_at = genflow.first_poll_at(model_id, v_now)
    where id = p_attempt_id;
  select id, user_id, status, attempt_id into v_job from public.generation_jobs where id = v_attempt.job_id;
  if v_job.status = 'submitting' and v_job.attempt_id <> p_attempt_id then
    -- The attempt that followed this one is not sent any more, if it has not been yet.
    select id into v_unsent from genflow.attempts where id = v_job.attempt_id and sent_at is null;
    if found then
      perform genflow.close_attempt(v_unsent, 'never_sent');
    end if;
  end if;
  if v_job.status = 'queued' or v_unsent is not null
    or (v_job.status in ('submitting', 'unknown') and v_job.attempt_id = p_attempt_id) then
    update public.generation_jobs
      set status = 'processing', processing_at = v_now, ready_at = null, not_before = null, attempt_id = p_attempt_id
      where id = v_job.id
      returning status into v_job.status;
  end if;
  insert into public.generation_events (job_id, user_id, at, event, status, attempt)
    values (v_job.id, v_job.user_id, v_now, 'submitted', v_job.status, v_attempt.number);
  return true;
end $$;

create or replace function public.record_submission(p_attempt_id uuid, p_send_id uuid, p_outcome jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_attempt genflow.attempts;
  v_kind text := p_outcome ->> 'kind';
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('recorded', false);
  end if;
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  if (v_attempt.send_id = p_send_id) is not true then
    return jsonb_build_object('recorded', false);
  end if;
  if v_kind = 'accepted' then
    if genflow.attach_task(p_attempt_id, p_outcome ->> 'taskId') and v_attempt.task_id is null then
      perform genflow.note_provider_health(false);
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
  return (select jsonb_build_object('recorded', true, 'status', j.status, 'taskId', a.task_id)
    from genflow.attempts a join public.generation_jobs j on j.id = a.job_id where a.id = p_attempt_id);
end $$;

revoke execute on function genflow.demote(uuid, integer), genflow.begin_attempt(public.generation_jobs, uuid, smallint, integer, timestamptz)
  from public, anon, authenticated, service_role;
