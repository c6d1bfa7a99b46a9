-- From ready to submitted: claim, mark as sending, record what the provider said.

create function genflow.claims_json(p_claim_id uuid) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
      'attemptId', a.id, 'leaseToken', a.lease_token,
      'leaseSeconds', greatest(0, extract(epoch from a.lease_expires_at - genflow.clock())),
      'jobId', j.id, 'userId', j.user_id, 'traceId', j.trace_id, 'attempt', a.number,
      'model', m.provider, 'prompt', p.prompt, 'aspectRatio', j.aspect_ratio, 'numImages', j.num_images,
      'seed', coalesce(j.seed, a.seed), 'inputPaths', j.input_paths,
      'submitDeadlineSeconds', (select submit_deadline_seconds from genflow.settings where singleton))
    order by j.ready_order, j.id), '[]')
  from genflow.attempts a
    join public.generation_jobs j on j.id = a.job_id
    join public.generation_models m on m.id = j.model_id
    left join public.generation_prompts p on p.job_id = j.id
  where a.claim_id = p_claim_id
$$;
comment on function genflow.claims_json(uuid) is 'Everything a worker needs to submit what this claim took.';

create function genflow.claimable(p_limit integer) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_provider genflow.provider;
  v_settings genflow.settings;
  v_tokens double precision;
  v_slots integer;
begin
  select * into v_provider from genflow.provider where singleton;
  select * into v_settings from genflow.settings where singleton;
  if v_provider.paused_until > v_now or v_provider.breaker_open_until > v_now
    or v_provider.balance_usd < v_settings.min_provider_balance_usd then
    return 0;
  end if;
  v_tokens := genflow.tokens_now(v_provider.start_tokens, v_provider.start_tokens_at, v_provider.start_burst, v_provider.starts_per_minute, v_now);
  v_slots := least(p_limit, floor(v_tokens)::integer,
    v_provider.running_cap - (select count(*)::integer from genflow.attempts where closed_at is null));
  if v_provider.breaker_open_until is not null then
    -- Half open: one probe at a time, and none while another's outcome is awaited.
    v_slots := least(v_slots, 1);
  end if;
  return greatest(0, v_slots);
end $$;
comment on function genflow.claimable(integer) is 'How many submits the provider''s cap, start bucket, pause and breaker allow now. Claims call it under the provider''s lock.';

create function genflow.begin_attempt(p_job_id uuid, p_claim_id uuid, p_now timestamptz) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_max_seed constant integer := 2147483647;
  v_job public.generation_jobs;
  v_attempt_id uuid := genflow.new_id();
  v_number smallint;
  v_seed bigint;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  select coalesce(max(number), 0) + 1 into v_number from genflow.attempts where job_id = p_job_id;
  if v_job.seed is null and (select provider ->> 'seed_field' from public.generation_models where id = v_job.model_id) is not null then
    v_seed := floor(genflow.random_unit() * v_max_seed);
  end if;
  insert into genflow.attempts (id, job_id, user_id, number, model_id, claim_id, claimed_at, lease_expires_at, seed)
    select v_attempt_id, v_job.id, v_job.user_id, v_number, v_job.model_id, p_claim_id, p_now,
      p_now + make_interval(secs => claim_lease_seconds), v_seed
    from genflow.settings where singleton;
  update public.generation_jobs
    set status = 'submitting', submitting_at = p_now, ready_at = null, not_before = null, attempt_id = v_attempt_id
    where id = p_job_id;
  perform genflow.add_event(p_job_id, 'submitting', v_number);
end $$;
comment on function genflow.begin_attempt(uuid, uuid, timestamptz) is 'Makes the attempt and its lease; the job follows it from now on.';

create function public.claim_generations(p_claim_id uuid, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_max_scanned constant integer := 500;
  v_now timestamptz;
  v_slots integer;
  v_claimed integer := 0;
  v_candidate record;
  v_skipped uuid[] := '{}';
begin
  perform 1 from genflow.provider where singleton for no key update;
  if exists (select 1 from genflow.attempts where claim_id = p_claim_id) then
    return jsonb_build_object('claims', genflow.claims_json(p_claim_id), 'skippedUserIds', '[]'::jsonb);
  end if;
  v_slots := genflow.claimable(p_limit);
  v_now := genflow.clock();
  if v_slots > 0 then
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
      perform 1 from public.generation_jobs
        where id = v_candidate.id and status = 'queued' and ready_at is not null for no key update skip locked;
      continue when not found;
      -- An earlier attempt was reopened by a late task id: what it brings is awaited first.
      continue when exists (select 1 from genflow.attempts where job_id = v_candidate.id and closed_at is null);
      if genflow.occupied_slots(v_candidate.user_id) >= genflow.running_cap(v_candidate.user_id) then
        update public.generation_jobs set ready_at = null where id = v_candidate.id;
        continue;
      end if;
      perform genflow.begin_attempt(v_candidate.id, p_claim_id, v_now);
      v_claimed := v_claimed + 1;
    end loop;
  end if;
  if v_claimed > 0 then
    update genflow.provider
      set start_tokens = genflow.tokens_now(start_tokens, start_tokens_at, start_burst, starts_per_minute, v_now) - v_claimed,
        start_tokens_at = v_now,
        breaker_open_until = case when breaker_open_until is not null
          then v_now + make_interval(secs => (select submit_lease_seconds from genflow.settings where singleton)) end
      where singleton;
  end if;
  return jsonb_build_object('claims', genflow.claims_json(p_claim_id), 'skippedUserIds', to_jsonb(v_skipped));
end $$;
comment on function public.claim_generations(uuid, integer) is
  'Takes up to p_limit ready jobs in their order, under the caps in force; makes their attempts; names the users it passed over because they were busy. The same claim id answers the same attempts.';

create function public.mark_sending(p_attempt_id uuid, p_lease_token uuid, p_send_id uuid, p_callback_token_hash text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz;
  v_attempt genflow.attempts;
  v_job public.generation_jobs;
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('go', false, 'reason', 'not_found');
  end if;
  v_now := genflow.clock();
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  select * into v_job from public.generation_jobs where id = v_attempt.job_id;
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
      returning * into v_attempt;
    perform genflow.add_event(v_job.id, 'sending', v_attempt.number);
  end if;
  return jsonb_build_object('go', true, 'leaseSeconds', extract(epoch from v_attempt.lease_expires_at - v_now));
end $$;
comment on function public.mark_sending(uuid, uuid, uuid, text) is
  'Just before the POST: only the first p_send_id hears go, with the seconds left on the lease. From here on a lost worker leaves an unknown; before it, nothing was sent.';

create function genflow.first_poll_at(p_model_id text, p_from timestamptz) returns timestamptz
language sql stable security definer set search_path = ''
as $$
  select p_from + make_interval(secs => greatest(s.first_poll_seconds, m.expected_seconds))
  from genflow.settings s, public.generation_models m where s.singleton and m.id = p_model_id
$$;
comment on function genflow.first_poll_at(text, timestamptz) is 'When to ask for a result that no callback brought.';

-- The provider has this task: a fact, whenever it arrives. It reopens an attempt that was closed without an answer.
create function genflow.attach_task(p_attempt_id uuid, p_task_id text) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_attempt genflow.attempts;
  v_job public.generation_jobs;
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
  select * into v_job from public.generation_jobs where id = v_attempt.job_id;
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
      where id = v_job.id;
  end if;
  perform genflow.add_event(v_job.id, 'submitted', v_attempt.number);
  return true;
end $$;
comment on function genflow.attach_task(uuid, text) is
  'Ties the provider''s task to its attempt; false if there is none or either is already tied elsewhere. The caller holds the locks.';

create function public.record_submission(p_attempt_id uuid, p_send_id uuid, p_outcome jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_attempt genflow.attempts;
  v_job public.generation_jobs;
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
  select * into v_job from public.generation_jobs where id = v_attempt.job_id;
  return jsonb_build_object('recorded', true, 'status', v_job.status, 'taskId',
    (select task_id from genflow.attempts where id = p_attempt_id));
end $$;
comment on function public.record_submission(uuid, uuid, jsonb) is
  'What the one POST brought: {kind: accepted, taskId} | {kind: rejected, class, retryAfterSeconds?} | {kind: unknown, cause}. A task id is stored however late it comes.';

revoke execute on function genflow.claims_json(uuid), genflow.claimable(integer), genflow.begin_attempt(uuid, uuid, timestamptz),
  genflow.first_poll_at(text, timestamptz), genflow.attach_task(uuid, text)
  from public, anon, authenticated, service_role;
revoke execute on function public.claim_generations(uuid, integer), public.mark_sending(uuid, uuid, uuid, text),
  public.record_submission(uuid, uuid, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.claim_generations(uuid, integer), public.mark_sending(uuid, uuid, uuid, text),
  public.record_submission(uuid, uuid, jsonb) to service_role;
