-- start_generation: one tap, one job, one hold.

create function genflow.refusal(p_code text, p_more jsonb default '{}') returns jsonb
language sql immutable security definer set search_path = ''
as $$ select jsonb_build_object('ok', false, 'error', jsonb_build_object('code', p_code) || p_more) $$;
comment on function genflow.refusal(text, jsonb) is 'A refusal as a value: nothing was changed. The code stands in the contract''s error catalogue.';

create function genflow.started(p_job_id uuid, p_replay boolean) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object('ok', true, 'replay', p_replay,
    'job', genflow.job_json(j),
    'account', jsonb_build_object('balance', a.balance, 'seq', a.feed_seq),
    'queue', genflow.queue_json(j.id))
  from public.generation_jobs j join genflow.accounts a on a.user_id = j.user_id
  where j.id = p_job_id
$$;
comment on function genflow.started(uuid, boolean) is 'The answer to a start: the job with everything as of now.';

create function genflow.replayed_start(p_user_id uuid, p_idempotency_key uuid, p_request_hash text) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
begin
  select * into v_job from public.generation_jobs where user_id = p_user_id and idempotency_key = p_idempotency_key;
  if not found then
    return null;
  elsif v_job.request_hash <> p_request_hash then
    return genflow.refusal('idempotency_key_reused');
  end if;
  return genflow.started(v_job.id, true);
end $$;
comment on function genflow.replayed_start(uuid, uuid, text) is 'What this key answered before; null if it is new.';

create function genflow.check_request(p_user_id uuid, p_request jsonb) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_model public.generation_models;
  v_inputs text[] := array(select jsonb_array_elements_text(coalesce(p_request -> 'inputPaths', '[]')));
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
  elsif cardinality(v_inputs) not between v_model.min_inputs and v_model.max_inputs then
    return genflow.refusal('unsupported_input_count', jsonb_build_object('fields', '["inputPaths"]'::jsonb, 'allowed',
      (select jsonb_agg(n) from generate_series(v_model.min_inputs::integer, v_model.max_inputs::integer) n)));
  end if;

  -- Foreign and missing paths answer alike: nobody learns what another user has uploaded.
  select path into v_bad from unnest(v_inputs) path
    where path is null or split_part(path, '/', 1) <> p_user_id::text
      or exists (select 1 from unnest(string_to_array(path, '/')) segment where segment in ('', '.', '..'))
      or not exists (select 1 from storage.objects where bucket_id = 'generation-inputs' and name = path)
    limit 1;
  if found then
    return genflow.refusal('input_not_found', jsonb_build_object('fields', '["inputPaths"]'::jsonb));
  end if;
  if p_request ->> 'retryOf' is not null and not exists (
    select 1 from public.generation_jobs
      where id = (p_request ->> 'retryOf')::uuid and user_id = p_user_id and ended_at is not null
  ) then
    return genflow.refusal('retry_not_possible', jsonb_build_object('fields', '["retryOf"]'::jsonb));
  end if;
  return null;
end $$;
comment on function genflow.check_request(uuid, jsonb) is 'Holds a request against the catalogue and the user''s uploads; null if it may be made.';

create function genflow.spend_refusal(p_credits integer, p_now timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_day date := (p_now at time zone 'UTC')::date;
  v_settings genflow.settings;
  v_today genflow.spend;
  v_month_credits bigint;
  v_month_starts bigint;
  v_until timestamptz;
begin
  insert into genflow.spend (day) values (v_day) on conflict (day) do nothing;
  perform 1 from genflow.spend where day = v_day for no key update;
  select * into v_settings from genflow.settings where singleton;
  select * into v_today from genflow.spend where day = v_day;
  select sum(credits), sum(starts) into v_month_credits, v_month_starts
    from genflow.spend where day >= date_trunc('month', v_day)::date and day <= v_day;
  if v_month_credits + p_credits > v_settings.max_credits_per_month or v_month_starts + 1 > v_settings.max_starts_per_month then
    v_until := (date_trunc('month', v_day) + interval '1 month') at time zone 'UTC';
  elsif v_today.credits + p_credits > v_settings.max_credits_per_day or v_today.starts + 1 > v_settings.max_starts_per_day then
    v_until := (v_day + 1)::timestamp at time zone 'UTC';
  else
    return null;
  end if;
  return genflow.refusal('spend_limit_reached',
    jsonb_build_object('retryAfterSeconds', ceil(extract(epoch from v_until - p_now))::integer));
end $$;
comment on function genflow.spend_refusal(integer, timestamptz) is
  'The project''s guard against spending without end. Locks the day''s row, last in the lock order; null if there is room.';

create function public.start_generation(p_user_id uuid, p_idempotency_key uuid, p_request_hash text, p_request jsonb, p_trace_id text)
returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_answer jsonb;
  v_settings genflow.settings;
  v_account genflow.accounts;
  v_model public.generation_models;
  v_now timestamptz;
  v_tokens double precision;
  v_price integer;
  v_job_id uuid;
begin
  v_answer := genflow.replayed_start(p_user_id, p_idempotency_key, p_request_hash);
  if v_answer is not null then
    return v_answer;
  end if;
  perform genflow.lock_account(p_user_id);
  -- Again, now that nobody else can be starting the same key.
  v_answer := coalesce(genflow.replayed_start(p_user_id, p_idempotency_key, p_request_hash), genflow.check_request(p_user_id, p_request));
  if v_answer is not null then
    return v_answer;
  end if;
  perform genflow.grant_sign_up(p_user_id);
  select * into v_settings from genflow.settings where singleton;
  select * into v_account from genflow.accounts where user_id = p_user_id;
  select * into v_model from public.generation_models where id = p_request ->> 'modelId';
  v_now := genflow.clock();
  v_price := v_model.credits_per_image * coalesce((p_request ->> 'numImages')::integer, 1);

  if v_settings.intake_paused then
    return genflow.refusal('intake_paused', jsonb_build_object('retryAfterSeconds', v_settings.intake_retry_after_seconds));
  end if;
  v_tokens := genflow.tokens_now(v_account.start_tokens, v_account.start_tokens_at, v_settings.user_start_burst, v_settings.user_starts_per_minute, v_now);
  if v_tokens < 1 then
    return genflow.refusal('rate_limited', jsonb_build_object('retryAfterSeconds',
      ceil((1 - v_tokens) * 60 / v_settings.user_starts_per_minute)::integer));
  end if;
  if (select count(*) from public.generation_jobs where user_id = p_user_id and ended_at is null)
    >= coalesce(v_account.pending_cap, v_settings.user_pending_cap) then
    return genflow.refusal('too_many_pending', jsonb_build_object('retryAfterSeconds', v_model.expected_seconds));
  end if;
  v_answer := genflow.spend_refusal(v_price, v_now);
  if v_answer is not null then
    return v_answer;
  elsif v_account.balance < v_price then
    return genflow.refusal('insufficient_credits', jsonb_build_object('balance', v_account.balance, 'price', v_price));
  end if;

  insert into public.generation_jobs (user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images, seed,
      input_paths, retry_of, trace_id, credits_per_image, credits_held, created_at, updated_at)
    values (p_user_id, p_idempotency_key, p_request_hash, v_model.id, p_request ->> 'aspectRatio',
      coalesce((p_request ->> 'numImages')::smallint, 1), (p_request ->> 'seed')::bigint,
      array(select jsonb_array_elements_text(coalesce(p_request -> 'inputPaths', '[]'))),
      (p_request ->> 'retryOf')::uuid, p_trace_id, v_model.credits_per_image, v_price, v_now, v_now)
    returning id into v_job_id;
  insert into public.generation_prompts (job_id, user_id, prompt) values (v_job_id, p_user_id, p_request ->> 'prompt');
  perform genflow.add_entry(p_user_id, 'reserve', -v_price, v_job_id, null, null);
  update genflow.accounts set start_tokens = v_tokens - 1, start_tokens_at = v_now where user_id = p_user_id;
  update genflow.spend set credits = credits + v_price, starts = starts + 1 where day = (v_now at time zone 'UTC')::date;
  perform genflow.add_event(v_job_id, 'queued', null, jsonb_build_object('credits_held', v_price));
  perform genflow.promote(p_user_id);
  return genflow.started(v_job_id, false);
end $$;
comment on function public.start_generation(uuid, uuid, text, jsonb, text) is
  'Checks, holds the credits and enqueues, in one transaction. The same key and hash answer the same job; a refusal is a value, holds nothing and leaves the key unused.';

create function genflow.tokens_now(p_tokens double precision, p_since timestamptz, p_burst integer, p_per_minute integer, p_now timestamptz)
returns double precision
language sql immutable security definer set search_path = ''
as $$
  select case when p_since = '-infinity' then p_burst::double precision
    else least(p_burst::double precision, p_tokens + greatest(0, extract(epoch from p_now - p_since)) * p_per_minute / 60) end
$$;
comment on function genflow.tokens_now(double precision, timestamptz, integer, integer, timestamptz) is 'A token bucket''s content by now.';

create function public.await_accounts(p_users jsonb) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  for v_user_id in select distinct value::uuid from jsonb_array_elements_text(p_users -> 'user_ids') order by 1 loop
    perform 1 from genflow.accounts where user_id = v_user_id for no key update;
  end loop;
end $$;
comment on function public.await_accounts(jsonb) is
  'Waits until the accounts {user_ids: [...]} are free, in ascending order: a dispatcher does this before it claims once more for users it skipped.';

revoke execute on function genflow.refusal(text, jsonb), genflow.started(uuid, boolean), genflow.replayed_start(uuid, uuid, text),
  genflow.check_request(uuid, jsonb), genflow.spend_refusal(integer, timestamptz),
  genflow.tokens_now(double precision, timestamptz, integer, integer, timestamptz)
  from public, anon, authenticated, service_role;
revoke execute on function public.start_generation(uuid, uuid, text, jsonb, text), public.await_accounts(jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.start_generation(uuid, uuid, text, jsonb, text), public.await_accounts(jsonb) to service_role;
