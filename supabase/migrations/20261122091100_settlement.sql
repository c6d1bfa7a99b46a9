-- From a result to a picture in storage: settle, lease the storing, record each picture, complete.

-- Callback and poll feed the same function; the first terminal result of an attempt stands.
create function public.settle_generation(p_task_id text, p_attempt_id uuid, p_result jsonb) returns jsonb
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
  return jsonb_build_object('jobId', v_job.id, 'attemptId', v_attempt.id, 'status', v_job.status, 'next',
    case when v_job.status = 'persisting' and v_job.attempt_id = v_attempt.id then 'persist'
      when v_attempt.result_status is null and v_attempt.closed_at is null then 'wait' else 'none' end);
end $$;
comment on function public.settle_generation(text, uuid, jsonb) is
  'A result {status, outputs, flagged, class} from callback or poll. Answers what is next: persist | wait | none | unknown_task.';

create function genflow.begin_persisting(p_attempt_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_attempt genflow.attempts;
begin
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  -- A success counts from any attempt of a job that has not ended and is not being stored already.
  update public.generation_jobs
    set status = 'persisting', persisting_at = v_now, ready_at = null, not_before = null, attempt_id = p_attempt_id
    where id = v_attempt.job_id and status in ('queued', 'submitting', 'unknown', 'processing');
  if found then
    update genflow.attempts set next_persist_at = v_now where id = p_attempt_id;
    perform genflow.add_event(v_attempt.job_id, 'persisting', v_attempt.number,
      jsonb_build_object('outputs', cardinality(v_attempt.output_urls)));
  end if;
end $$;
comment on function genflow.begin_persisting(uuid) is 'The provider has delivered: the job follows this attempt into storing.';

create function public.note_callback(p_attempt_id uuid, p_token_hash text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz;
  v_attempt genflow.attempts;
begin
  perform 1 from genflow.attempts where id = p_attempt_id for no key update;
  v_now := genflow.clock();
  select * into v_attempt from genflow.attempts where id = p_attempt_id and callback_token_hash = p_token_hash;
  if not found then
    return jsonb_build_object('known', false, 'pollDue', false);
  end if;
  update genflow.attempts set unverified_callbacks = unverified_callbacks + 1 where id = p_attempt_id;
  if v_attempt.closed_at is not null or v_attempt.task_id is null
    or v_attempt.callback_poll_at > v_now - make_interval(secs => (select callback_poll_interval_seconds from genflow.settings where singleton)) then
    return jsonb_build_object('known', true, 'pollDue', false);
  end if;
  update genflow.attempts set next_poll_at = v_now, callback_poll_at = v_now where id = p_attempt_id;
  return jsonb_build_object('known', true, 'pollDue', true);
end $$;
comment on function public.note_callback(uuid, text) is
  'A callback whose signature does not verify but whose token is right: it decides nothing, but a poll becomes due, once in a while an attempt.';

create function genflow.image_path(p_user_id uuid, p_job_id uuid, p_index integer, p_lease uuid) returns text
language sql immutable security definer set search_path = ''
as $$ select p_user_id || '/' || p_job_id || '/' || p_index || '-' || left(p_lease::text, 8) $$;
comment on function genflow.image_path(uuid, uuid, integer, uuid) is
  'Object name of a picture: never written twice, since each lease has its own. No extension: the type is known only after the download.';

create function genflow.persists_json(p_claim_id uuid) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'attemptId', a.id, 'jobId', j.id, 'traceId', j.trace_id, 'leaseToken', a.persist_lease,
      'leaseSeconds', greatest(0, extract(epoch from a.persist_lease_expires_at - genflow.clock())),
      'images', (
        select coalesce(jsonb_agg(jsonb_build_object('index', n, 'url', a.output_urls[n + 1], 'flagged', coalesce(a.flagged[n + 1], false),
            'path', genflow.image_path(j.user_id, j.id, n, a.persist_lease)) order by n), '[]')
        from generate_series(0, least(j.num_images::integer, cardinality(a.output_urls)) - 1) n
        where not exists (select 1 from public.generation_images i where i.job_id = j.id and i.index = n)))
    order by a.id), '[]')
  from genflow.attempts a join public.generation_jobs j on j.id = a.job_id
  where a.persist_claim_id = p_claim_id and a.persist_lease is not null
$$;
comment on function genflow.persists_json(uuid) is
  'What is still to be stored under this claim, until its round ends: more outputs than asked are left out.';

create function public.claim_persists(p_claim_id uuid, p_limit integer, p_attempt_id uuid default null) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz;
  v_candidate record;
  v_settings genflow.settings;
  v_lease uuid;
begin
  select * into v_settings from genflow.settings where singleton;
  for v_candidate in
    select due.id, due.user_id from (
      select id, user_id from genflow.attempts
        where next_persist_at <= genflow.clock() and (p_attempt_id is null or id = p_attempt_id)
          and not exists (select 1 from genflow.attempts where persist_claim_id = p_claim_id)
        order by next_persist_at, id limit p_limit) due
      order by due.user_id, due.id
  loop
    continue when not genflow.lock_attempt(v_candidate.id);
    v_now := genflow.clock();
    v_lease := genflow.new_id();
    update genflow.attempts a
      set persist_lease = v_lease, persist_claim_id = p_claim_id, persists = persists + 1,
        persist_lease_expires_at = v_now + make_interval(secs => v_settings.persist_lease_seconds),
        next_persist_at = v_now + make_interval(secs => v_settings.persist_lease_seconds)
      from public.generation_jobs j
      where a.id = v_candidate.id and a.next_persist_at <= v_now and j.id = a.job_id and j.status = 'persisting' and j.attempt_id = a.id;
    continue when not found;
    -- Whatever is stored under this lease but never recorded is removed, once nobody can be writing it any more.
    insert into genflow.storage_purges (bucket_id, path, job_id, reason, due_at, rounds_left)
      select 'generations', genflow.image_path(j.user_id, j.id, n, v_lease), j.id, 'never_recorded',
        v_now + make_interval(secs => v_settings.persist_lease_seconds + v_settings.runtime_wall_clock_seconds), 2
      from genflow.attempts a join public.generation_jobs j on j.id = a.job_id,
        generate_series(0, least(j.num_images::integer, cardinality(a.output_urls)) - 1) n
      where a.id = v_candidate.id
        and not exists (select 1 from public.generation_images i where i.job_id = j.id and i.index = n);
  end loop;
  return jsonb_build_object('claims', genflow.persists_json(p_claim_id));
end $$;
comment on function public.claim_persists(uuid, integer, uuid) is
  'Leases the storing of up to p_limit delivered jobs (or of one attempt): outputs and intended object paths of what is still missing.';

create function public.record_image(p_attempt_id uuid, p_lease_token uuid, p_image jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
  v_attempt genflow.attempts;
  v_index integer := (p_image ->> 'index')::integer;
  v_path text;
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('recorded', false);
  end if;
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  select * into v_job from public.generation_jobs where id = v_attempt.job_id;
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
  insert into public.generation_images (job_id, user_id, index, path, width, height, bytes, sha256, content_type, flagged)
    values (v_job.id, v_job.user_id, v_index, v_path, (p_image ->> 'width')::integer, (p_image ->> 'height')::integer,
      (p_image ->> 'bytes')::bigint, p_image ->> 'sha256', p_image ->> 'contentType', coalesce((p_image ->> 'flagged')::boolean, false));
  perform genflow.add_event(v_job.id, 'image_stored', v_attempt.number, jsonb_build_object('index', v_index));
  return jsonb_build_object('recorded', true);
end $$;
comment on function public.record_image(uuid, uuid, jsonb) is
  'A picture is in the bucket: {index, width, height, bytes, sha256, contentType, flagged}. One an index wins; the object of another is removed later.';

create function genflow.finish_job(p_job_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
  v_images integer;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  select count(*) into v_images from public.generation_images where job_id = p_job_id;
  update genflow.attempts set next_persist_at = null where job_id = p_job_id and next_persist_at is not null;
  if v_images = 0 then
    perform genflow.fail_job(p_job_id,
      case when v_job.persisting_at + make_interval(secs => (select persist_deadline_seconds from genflow.settings where singleton)) <= genflow.clock()
        then 'storage_timeout' else 'outputs_unusable' end);
    return;
  end if;
  update public.generation_jobs set status = 'completed', ended_at = genflow.clock() where id = p_job_id;
  perform genflow.add_event(p_job_id, 'completed', null, jsonb_build_object('images', v_images));
  perform genflow.close_hold(p_job_id, v_job.credits_per_image * v_images);
  perform genflow.promote(v_job.user_id);
end $$;
comment on function genflow.finish_job(uuid) is 'Storing is over: the recorded pictures are charged, the rest is released; none at all is a failure.';

create function public.complete_generation(p_attempt_id uuid, p_lease_token uuid, p_failures jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_attempt genflow.attempts;
  v_job public.generation_jobs;
  v_missing integer[];
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('status', null);
  end if;
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  select * into v_job from public.generation_jobs where id = v_attempt.job_id;
  if v_job.status = 'persisting' and v_job.attempt_id = p_attempt_id then
    v_missing := array(select n from generate_series(0, least(v_job.num_images::integer, cardinality(v_attempt.output_urls)) - 1) n
      where not exists (select 1 from public.generation_images i where i.job_id = v_job.id and i.index = n));
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
  select * into v_job from public.generation_jobs where id = v_attempt.job_id;
  return jsonb_build_object('status', v_job.status, 'creditsCaptured', v_job.credits_captured);
end $$;
comment on function public.complete_generation(uuid, uuid, jsonb) is
  'Ends a round of storing: {failures: [{index, permanent}]}. Complete when every picture is recorded; over when what is missing can never come; else it is due again after a backoff.';

revoke execute on function genflow.begin_persisting(uuid), genflow.persists_json(uuid), genflow.image_path(uuid, uuid, integer, uuid),
  genflow.finish_job(uuid) from public, anon, authenticated, service_role;
revoke execute on function public.settle_generation(text, uuid, jsonb), public.note_callback(uuid, text),
  public.claim_persists(uuid, integer, uuid), public.record_image(uuid, uuid, jsonb), public.complete_generation(uuid, uuid, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.settle_generation(text, uuid, jsonb), public.note_callback(uuid, text),
  public.claim_persists(uuid, integer, uuid), public.record_image(uuid, uuid, jsonb), public.complete_generation(uuid, uuid, jsonb)
  to service_role;
