-- From a result to a picture in storage, with each row written once a call.

alter table genflow.attempts add column called_back boolean not null default false;
comment on column genflow.attempts.called_back is 'The delivery came by a callback with this attempt''s token, however often it was polled before.';

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
      closed_at = coalesce(closed_at, p_now), closed_how = 'delivered', called_back = p_attempt.called_back
    where id = p_attempt.id;
  if v_status is not null then
    insert into public.generation_events (job_id, user_id, at, event, status, attempt, detail)
      select p_attempt.job_id, p_attempt.user_id, p_now, e.event, v_status, p_attempt.number, e.detail
      from (values ('persisting', jsonb_build_object('outputs', cardinality(v_outputs))),
        ('attempt_closed', '{"how": "delivered"}'::jsonb)) e (event, detail)
      where e.event = 'persisting' or p_attempt.closed_at is null;
  elsif p_attempt.closed_at is null then
    perform genflow.add_event(p_attempt.job_id, 'attempt_closed', p_attempt.number, '{"how": "delivered"}');
    perform genflow.close_hold_of_canceled(p_attempt.job_id);
    perform genflow.promote(p_attempt.user_id);
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

-- Two questions, since one for both would be planned anew at each call.
create function genflow.due_persists(p_limit integer, p_attempt_id uuid, p_now timestamptz) returns uuid[]
language plpgsql stable security definer set search_path = ''
as $$
begin
  if p_attempt_id is not null then
    return array(select id from genflow.attempts where id = p_attempt_id and next_persist_at <= p_now);
  end if;
  return array(select id from genflow.attempts where next_persist_at <= p_now order by next_persist_at, id limit p_limit);
end $$;
comment on function genflow.due_persists(integer, uuid, timestamptz) is 'Delivered attempts whose storing is due, longest first; or the one that is named, if it is.';

create or replace function public.claim_persists(p_claim_id uuid, p_limit integer, p_attempt_id uuid default null) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz;
  v_attempt_id uuid;
  v_lease_seconds integer;
  v_wall_clock_seconds integer;
  v_lease uuid;
  v_job_id uuid;
  v_user_id uuid;
  v_last_index integer;
  v_claimed integer := 0;
  v_max_passed_over constant integer := 50;
begin
  if exists (select 1 from genflow.attempts where persist_claim_id = p_claim_id) then
    return jsonb_build_object('claims', genflow.persists_json(p_claim_id));
  end if;
  select persist_lease_seconds, runtime_wall_clock_seconds into v_lease_seconds, v_wall_clock_seconds from genflow.settings where singleton;
  foreach v_attempt_id in array genflow.due_persists(p_limit + v_max_passed_over, p_attempt_id, genflow.clock()) loop
    exit when v_claimed >= p_limit;
    if p_attempt_id is not null then
      continue when not genflow.lock_attempt(v_attempt_id);
    else
      -- Whoever wants just any does not wait for a busy account, and so may take them in any order.
      perform 1 from genflow.accounts where user_id = (select user_id from genflow.attempts where id = v_attempt_id)
        for no key update skip locked;
      continue when not found;
    end if;
    v_now := genflow.clock();
    v_lease := genflow.new_id();
    update genflow.attempts a
      set persist_lease = v_lease, persist_claim_id = p_claim_id, persists = persists + 1,
        persist_lease_expires_at = v_now + make_interval(secs => v_lease_seconds),
        next_persist_at = v_now + make_interval(secs => v_lease_seconds)
      from public.generation_jobs j
      where a.id = v_attempt_id and a.next_persist_at <= v_now and j.id = a.job_id and j.status = 'persisting' and j.attempt_id = a.id
      returning j.id, j.user_id, least(j.num_images::integer, cardinality(a.output_urls)) - 1 into v_job_id, v_user_id, v_last_index;
    continue when not found;
    v_claimed := v_claimed + 1;
    -- Whatever is stored under this lease but never recorded is removed, once nobody can be writing it any more.
    for v_index in 0 .. v_last_index loop
      if not exists (select 1 from public.generation_images where job_id = v_job_id and index = v_index) then
        insert into genflow.storage_purges (bucket_id, path, job_id, reason, due_at, rounds_left)
          values ('generations', genflow.image_path(v_user_id, v_job_id, v_index, v_lease), v_job_id, 'never_recorded',
            v_now + make_interval(secs => v_lease_seconds + v_wall_clock_seconds), 2);
      end if;
    end loop;
  end loop;
  return jsonb_build_object('claims', genflow.persists_json(p_claim_id));
end $$;

create or replace function public.record_image(p_attempt_id uuid, p_lease_token uuid, p_image jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job record;
  v_now timestamptz;
  v_index integer := (p_image ->> 'index')::integer;
  v_path text;
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('recorded', false);
  end if;
  select j.id, j.user_id, j.status, a.number into v_job
    from genflow.attempts a join public.generation_jobs j on j.id = a.job_id where a.id = p_attempt_id;
  v_path := genflow.image_path(v_job.user_id, v_job.id, v_index, p_lease_token);
  if exists (select 1 from public.generation_images where job_id = v_job.id and index = v_index) then
    return jsonb_build_object('recorded', exists (select 1 from public.generation_images where path = v_path));
  elsif v_job.status <> 'persisting' then
    return jsonb_build_object('recorded', false);
  end if;
  -- The stored picture is a fact even after its lease; it counts unless its removal has begun.
  delete from genflow.storage_purges where bucket_id = 'generations' and path = v_path and started_at is null;
  if not found then
    return jsonb_build_object('recorded', false);
  end if;
  v_now := genflow.clock();
  insert into public.generation_images (job_id, user_id, index, path, width, height, bytes, sha256, content_type, flagged, created_at)
    values (v_job.id, v_job.user_id, v_index, v_path, (p_image ->> 'width')::integer, (p_image ->> 'height')::integer,
      (p_image ->> 'bytes')::bigint, p_image ->> 'sha256', p_image ->> 'contentType', coalesce((p_image ->> 'flagged')::boolean, false), v_now);
  insert into public.generation_events (job_id, user_id, at, event, status, attempt, detail)
    values (v_job.id, v_job.user_id, v_now, 'image_stored', v_job.status, v_job.number, jsonb_build_object('index', v_index));
  return jsonb_build_object('recorded', true);
end $$;

create or replace function public.complete_generation(p_attempt_id uuid, p_lease_token uuid, p_failures jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_attempt genflow.attempts;
  v_job record;
  v_wanted integer;
  v_missing integer[] := array[]::integer[];
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('status', null);
  end if;
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  select id, status, attempt_id, num_images into v_job from public.generation_jobs where id = v_attempt.job_id;
  if v_job.status = 'persisting' and v_job.attempt_id = p_attempt_id then
    v_wanted := least(v_job.num_images::integer, cardinality(v_attempt.output_urls));
    if (select count(*) from public.generation_images where job_id = v_job.id) < v_wanted then
      v_missing := array(select n from generate_series(0, v_wanted - 1) n
        where not exists (select 1 from public.generation_images i where i.job_id = v_job.id and i.index = n));
    end if;
    if cardinality(v_missing) = 0 or (v_attempt.persist_lease = p_lease_token and v_missing <@
      array(select (f ->> 'index')::integer from jsonb_array_elements(p_failures -> 'failures') f where (f ->> 'permanent')::boolean)) then
      perform genflow.finish_job(v_job.id);
    elsif v_attempt.persist_lease = p_lease_token then
      update genflow.attempts
        set persist_lease = null, next_persist_at = genflow.clock() + make_interval(secs => genflow.backoff_seconds(persists))
        where id = p_attempt_id;
      perform genflow.add_event(v_job.id, 'persist_retry', v_attempt.number, jsonb_build_object('missing', cardinality(v_missing)));
    end if;
  end if;
  return (select jsonb_build_object('status', status, 'creditsCaptured', credits_captured)
    from public.generation_jobs where id = v_attempt.job_id);
end $$;

create function genflow.store_another(p_job_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_attempt record;
begin
  select id, number, cardinality(output_urls) as outputs into v_attempt from genflow.attempts
    where job_id = p_job_id and closed_how = 'delivered' and persists = 0
    order by number desc limit 1;
  if not found then
    return false;
  end if;
  update public.generation_jobs set attempt_id = v_attempt.id where id = p_job_id;
  update genflow.attempts set next_persist_at = genflow.clock() where id = v_attempt.id;
  perform genflow.add_event(p_job_id, 'persisting', v_attempt.number, jsonb_build_object('outputs', v_attempt.outputs));
  return true;
end $$;
comment on function genflow.store_another(uuid) is
  'Where nothing of a delivery could be used: goes on with another attempt''s that came after it and was never looked at, if there is one.';

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
  elsif v_job.persisting_at + make_interval(secs => (select persist_deadline_seconds from genflow.settings where singleton)) <= genflow.clock() then
    perform genflow.fail_job(p_job_id, 'storage_timeout');
  elsif not genflow.store_another(p_job_id) then
    perform genflow.fail_job(p_job_id, 'outputs_unusable');
  end if;
end $$;

revoke execute on function genflow.due_persists(integer, uuid, timestamptz), genflow.end_job(uuid, public.generation_status, integer, text, jsonb),
  genflow.take_delivery(genflow.attempts, jsonb, timestamptz), genflow.store_another(uuid)
  from public, anon, authenticated, service_role;
