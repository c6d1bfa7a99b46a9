-- start_generation: one tap, one job, one hold; and a tap that tries an ended job again.

create or replace function genflow.refusal(p_code text, p_more jsonb default '{}') returns jsonb
language plpgsql immutable security definer set search_path = ''
as $$ begin return jsonb_build_object('ok', false, 'error', jsonb_build_object('code', p_code) || p_more); end $$;

create or replace function genflow.started(p_job_id uuid, p_replay boolean) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('ok', true, 'replay', p_replay,
      'job', genflow.job_json(j),
      'account', jsonb_build_object('balance', a.balance, 'seq', a.feed_seq),
      'queue', genflow.queue_json(j.id))
    from public.generation_jobs j join genflow.accounts a on a.user_id = j.user_id
    where j.id = p_job_id);
end $$;

-- What is not asked for anew is as it was. The words of a job may be gone before the job is: then there is nothing to copy.
create function genflow.request_of_retry(p_user_id uuid, p_request jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
  v_prompt text;
begin
  select * into v_job from public.generation_jobs
    where id = (p_request ->> 'retryOf')::uuid and user_id = p_user_id and ended_at is not null;
  if not found then
    return null;
  end if;
  select prompt into v_prompt from public.generation_prompts where job_id = v_job.id;
  if coalesce(p_request ->> 'prompt', v_prompt) is null then
    return null;
  end if;
  return jsonb_build_object('modelId', v_job.model_id, 'aspectRatio', v_job.aspect_ratio, 'numImages', v_job.num_images,
    'seed', v_job.seed, 'inputPaths', to_jsonb(v_job.input_paths), 'prompt', v_prompt) || p_request;
end $$;
comment on function genflow.request_of_retry(uuid, jsonb) is
  'The ended job''s request under what is sent with retryOf; null if there is no such job of the user''s, or its words are gone.';

create or replace function genflow.check_request(p_user_id uuid, p_request jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_model public.generation_models;
  v_inputs text[];
  v_inputs_count integer := coalesce(jsonb_array_length(p_request -> 'inputPaths'), 0);
  v_images integer := coalesce((p_request ->> 'numImages')::integer, 1);
  v_bad text;
begin
  select * into v_model from public.generation_models where id = p_request ->> 'modelId' and enabled;
  if not found then
    return genflow.refusal('unknown_model', jsonb_build_object('fields', '["modelId"]'::jsonb, 'allowed',
      (select jsonb_agg(id order by sort_order, id) from public.generation_models where enabled)));
  elsif coalesce(not (p_request ->> 'aspectRatio') = any (v_model.aspect_ratios), true) then
    return genflow.refusal('unsupported_aspect_ratio',
      jsonb_build_object('fields', '["aspectRatio"]'::jsonb, 'allowed', to_jsonb(v_model.aspect_ratios)));
  elsif coalesce(p_request ->> 'prompt', '') !~ '\S' or length(p_request ->> 'prompt') > v_model.max_prompt_characters then
    return genflow.refusal('invalid_prompt',
      jsonb_build_object('fields', '["prompt"]'::jsonb, 'allowed', jsonb_build_array('1 to ' || v_model.max_prompt_characters || ' characters')));
  elsif v_images not between 1 and v_model.max_images then
    return genflow.refusal('unsupported_image_count', jsonb_build_object('fields', '["numImages"]'::jsonb, 'allowed',
      (select jsonb_agg(n) from generate_series(1, v_model.max_images) n)));
  elsif v_inputs_count not between v_model.min_inputs and v_model.max_inputs then
    return genflow.refusal('unsupported_input_count', jsonb_build_object('fields', '["inputPaths"]'::jsonb, 'allowed',
      (select jsonb_agg(n) from generate_series(v_model.min_inputs::integer, v_model.max_inputs::integer) n)));
  end if;

  if v_inputs_count > 0 then
    v_inputs := array(select jsonb_array_elements_text(p_request -> 'inputPaths'));
    -- Foreign and missing paths answer alike: nobody learns what another user has uploaded. One that is about to be
    -- removed is missing already.
    select path into v_bad from unnest(v_inputs) path
      where path is null or split_part(path, '/', 1) <> p_user_id::text
        or exists (select 1 from unnest(string_to_array(path, '/')) segment where segment in ('', '.', '..'))
        or not exists (select 1 from storage.objects where bucket_id = 'generation-inputs' and name = path)
        or exists (select 1 from genflow.storage_purges p
          where p.bucket_id = 'generation-inputs' and p.path = path and p.done_at is null)
      limit 1;
    if found then
      return genflow.refusal('input_not_found', jsonb_build_object('fields', '["inputPaths"]'::jsonb));
    end if;
  end if;
  return null;
end $$;

create or replace function genflow.spend_refusal(p_credits integer, p_now timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_day date := (p_now at time zone 'UTC')::date;
  v_first_day date := date_trunc('month', v_day)::date;
  v_settings genflow.settings;
  v_today genflow.spend;
  v_month_credits bigint;
  v_month_starts bigint;
  v_cap text;
  v_until timestamptz;
begin
  select * into v_settings from genflow.settings where singleton;
  if coalesce(v_settings.max_credits_per_day, v_settings.max_credits_per_month, v_settings.max_starts_per_day, v_settings.max_starts_per_month) is null then
    -- Nothing to guard: the day's row is locked only when it is written, at the start's end.
    return null;
  end if;
  -- The month's first day stands for the month: two starts on either side of midnight must see each other.
  insert into genflow.spend (day) values (v_first_day), (v_day) on conflict (day) do nothing;
  perform 1 from genflow.spend where day = v_first_day for no key update;
  perform 1 from genflow.spend where day = v_day for no key update;
  select * into v_today from genflow.spend where day = v_day;
  select sum(credits), sum(starts) into v_month_credits, v_month_starts
    from genflow.spend where day >= v_first_day and day < v_first_day + interval '1 month';
  v_cap := case
    when v_month_credits + p_credits > v_settings.max_credits_per_month then 'project_credits_per_month'
    when v_month_starts + 1 > v_settings.max_starts_per_month then 'project_starts_per_month'
    when v_today.credits + p_credits > v_settings.max_credits_per_day then 'project_credits_per_day'
    when v_today.starts + 1 > v_settings.max_starts_per_day then 'project_starts_per_day' end;
  if v_cap is null then
    return null;
  end if;
  v_until := case when v_cap like '%month' then date_trunc('month', v_day::timestamp) + interval '1 month'
    else v_day::timestamp + interval '1 day' end at time zone 'UTC';
  return genflow.refusal('spend_limit_reached',
    jsonb_build_object('cap', v_cap, 'retryAfterSeconds', greatest(1, ceil(extract(epoch from v_until - p_now)))::integer));
end $$;
comment on function genflow.spend_refusal(integer, timestamptz) is
  'The project''s guard against spending without end. Locks the month''s first row and the day''s, last in the lock order; null if there is room. Names the cap, not its height: that is the operator''s.';

create function genflow.admission_refusal(p_user_id uuid, p_price integer, p_expected_seconds integer, p_tokens double precision, p_now timestamptz)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v record;
  v_refusal jsonb;
begin
  select s.intake_paused, s.intake_retry_after_seconds, s.user_starts_per_minute, a.balance,
      coalesce(a.pending_cap, s.user_pending_cap) as pending_cap
    into v from genflow.settings s, genflow.accounts a where s.singleton and a.user_id = p_user_id;
  if v.intake_paused then
    return genflow.refusal('intake_paused', jsonb_build_object('retryAfterSeconds', v.intake_retry_after_seconds));
  elsif p_tokens < 1 then
    return genflow.refusal('rate_limited', jsonb_build_object('cap', 'user_starts_per_minute', 'limit', v.user_starts_per_minute,
      'retryAfterSeconds', ceil((1 - p_tokens) * 60 / v.user_starts_per_minute)::integer));
  elsif genflow.pending_jobs(p_user_id, v.pending_cap) >= v.pending_cap then
    return genflow.refusal('too_many_pending', jsonb_build_object('cap', 'user_pending', 'limit', v.pending_cap,
      'retryAfterSeconds', p_expected_seconds));
  end if;
  v_refusal := genflow.spend_refusal(p_price, p_now);
  if v_refusal is null and v.balance < p_price then
    return genflow.refusal('insufficient_credits', jsonb_build_object('balance', v.balance, 'price', p_price));
  end if;
  return v_refusal;
end $$;
comment on function genflow.admission_refusal(uuid, integer, integer, double precision, timestamptz) is
  'Whether the user may start a job of this price now; null if so, else which cap or balance stands in the way. The caller holds the account''s lock.';

create or replace function public.start_generation(p_user_id uuid, p_idempotency_key uuid, p_request_hash text, p_request jsonb, p_trace_id text)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_answer jsonb;
  v_request jsonb := p_request;
  v record;
  v_now timestamptz;
  v_tokens double precision;
  v_images smallint;
  v_price integer;
  v_job_id uuid := genflow.new_id();
  v_order timestamptz;
begin
  perform genflow.lock_account(p_user_id);
  -- Under the lock nobody else can be starting the same key.
  v_answer := genflow.replayed_start(p_user_id, p_idempotency_key, p_request_hash);
  if v_answer is not null then
    return v_answer;
  end if;
  if p_request ->> 'retryOf' is not null then
    v_request := genflow.request_of_retry(p_user_id, p_request);
    if v_request is null then
      return genflow.refusal('retry_not_possible', jsonb_build_object('fields', '["retryOf"]'::jsonb));
    end if;
  end if;
  v_answer := genflow.check_request(p_user_id, v_request);
  if v_answer is not null then
    return v_answer;
  end if;
  select a.start_tokens, a.start_tokens_at, a.sign_up_granted_at, s.user_start_burst, s.user_starts_per_minute,
      m.id as model_id, m.credits_per_image, m.expected_seconds
    into v from genflow.accounts a, genflow.settings s, public.generation_models m
    where a.user_id = p_user_id and s.singleton and m.id = v_request ->> 'modelId';
  if v.sign_up_granted_at is null then
    perform genflow.grant_sign_up(p_user_id);
  end if;
  v_now := genflow.clock();
  v_images := coalesce((v_request ->> 'numImages')::smallint, 1);
  v_price := v.credits_per_image * v_images;
  v_tokens := genflow.tokens_now(v.start_tokens, v.start_tokens_at, v.user_start_burst, v.user_starts_per_minute, v_now);
  v_answer := genflow.admission_refusal(p_user_id, v_price, v.expected_seconds, v_tokens, v_now);
  if v_answer is not null then
    return v_answer;
  end if;

  -- The account is written once: balance, bucket and, by its trigger, the feed's number.
  update genflow.accounts set balance = balance - v_price, start_tokens = v_tokens - 1, start_tokens_at = v_now
    where user_id = p_user_id;
  if not genflow.has_waiting(p_user_id) and genflow.free_slots(p_user_id) > 0 then
    v_order := genflow.order_of_turn(p_user_id, v_now);
  end if;
  insert into public.generation_jobs (id, user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images, seed,
      input_paths, retry_of, trace_id, credits_per_image, credits_held, created_at, updated_at, ready_at, ready_order)
    values (v_job_id, p_user_id, p_idempotency_key, p_request_hash, v.model_id, v_request ->> 'aspectRatio',
      v_images, (v_request ->> 'seed')::bigint,
      array(select jsonb_array_elements_text(coalesce(v_request -> 'inputPaths', '[]'))),
      (v_request ->> 'retryOf')::uuid, p_trace_id, v.credits_per_image, v_price, v_now, v_now,
      case when v_order is not null then v_now end, v_order);
  insert into public.generation_prompts (job_id, user_id, prompt) values (v_job_id, p_user_id, v_request ->> 'prompt');
  insert into public.credit_entries (user_id, kind, amount, job_id, created_at) values (p_user_id, 'reserve', -v_price, v_job_id, v_now);
  insert into public.generation_events (job_id, user_id, at, event, status, detail)
    values (v_job_id, p_user_id, v_now, 'queued', 'queued', jsonb_build_object('credits_held', v_price));
  if v_order is null then
    -- Others of the user's wait too, or every slot is taken.
    perform genflow.promote(p_user_id);
  end if;
  v_answer := genflow.started(v_job_id, false);
  -- The whole project's starts meet at this row, so it is the last to be taken.
  perform genflow.note_spend(v_price, v_now);
  return v_answer;
end $$;

create function genflow.note_spend(p_credits integer, p_now timestamptz) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_day date := (p_now at time zone 'UTC')::date;
begin
  update genflow.spend set credits = credits + p_credits, starts = starts + 1 where day = v_day;
  if not found then
    insert into genflow.spend as s (day, credits, starts) values (v_day, p_credits, 1)
      on conflict (day) do update set credits = s.credits + excluded.credits, starts = s.starts + 1;
  end if;
end $$;
comment on function genflow.note_spend(integer, timestamptz) is 'Counts a start for the spend guard, limits or none.';

create index generation_jobs_retries on public.generation_jobs (retry_of) where retry_of is not null;
comment on column public.generation_jobs.retry_of is 'The ended job that this one tries again.';

revoke execute on function genflow.request_of_retry(uuid, jsonb), genflow.note_spend(integer, timestamptz),
  genflow.admission_refusal(uuid, integer, integer, double precision, timestamptz)
  from public, anon, authenticated, service_role;

comment on function genflow.add_entry(uuid, text, integer, uuid, text, integer) is
  'An entry and the balance in one step. The caller holds the account''s lock. A start and a job''s end write both themselves, to write the account once.';
