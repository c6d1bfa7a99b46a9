-- The sweep function's share: polls, listings, purges, and what it reports.

create function genflow.listing_due(p_attempt genflow.attempts, p_now timestamptz) returns boolean
language sql stable security definer set search_path = ''
as $$
  select p_attempt.closed_at is null and p_attempt.task_id is null and p_attempt.sent_at is not null
    and p_attempt.lease_expires_at <= p_now
    and (p_attempt.listed_at is null or p_attempt.listed_at <= p_now - make_interval(secs => listing_interval_seconds))
  from genflow.settings where singleton
$$;
comment on function genflow.listing_due(genflow.attempts, timestamptz) is
  'An attempt that was sent and never answered is looked for in the provider''s list, from its lease''s end on.';

create function genflow.poll_interval(p_attempt genflow.attempts) returns interval
language sql stable security definer set search_path = ''
as $$
  select make_interval(secs => least(s.poll_max_seconds,
    greatest(s.first_poll_seconds, m.expected_seconds) * power(s.poll_growth, least(p_attempt.polls + 1, 20)))::double precision)
  from genflow.settings s, public.generation_models m where s.singleton and m.id = p_attempt.model_id
$$;
comment on function genflow.poll_interval(genflow.attempts) is 'Polls grow apart to settings.poll_max_seconds.';

create function public.claim_polls(p_claim_id uuid, p_limit integer, p_attempt_id uuid default null) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
begin
  if not exists (select 1 from genflow.attempts where poll_claim_id = p_claim_id) then
    update genflow.attempts a
      set poll_claim_id = p_claim_id, polls = a.polls + 1, next_poll_at = v_now + genflow.poll_interval(a)
      where a.id in (
        select id from genflow.attempts
          where closed_at is null and task_id is not null and next_poll_at <= v_now and (p_attempt_id is null or id = p_attempt_id)
          order by next_poll_at, id limit p_limit for no key update skip locked);
    update genflow.attempts a
      set poll_claim_id = p_claim_id, listed_at = v_now
      where p_attempt_id is null and a.id in (
        select l.id from genflow.attempts l
          where l.closed_at is null and l.task_id is null and l.lease_expires_at <= v_now and genflow.listing_due(l, v_now)
          order by l.lease_expires_at, l.id limit p_limit for no key update skip locked);
  end if;
  return jsonb_build_object(
    'polls', (select coalesce(jsonb_agg(jsonb_build_object('attemptId', a.id, 'taskId', a.task_id, 'traceId', j.trace_id) order by a.id), '[]')
      from genflow.attempts a join public.generation_jobs j on j.id = a.job_id
      where a.poll_claim_id = p_claim_id and a.task_id is not null and a.closed_at is null),
    'listings', (select coalesce(jsonb_agg(jsonb_build_object('attemptId', a.id, 'traceId', j.trace_id, 'path', m.provider ->> 'path',
          'from', a.sent_at - v.margin, 'to', a.lease_expires_at + v.margin, 'prompt', p.prompt, 'seed', a.seed) order by a.id), '[]')
      from genflow.attempts a
        join public.generation_jobs j on j.id = a.job_id
        join public.generation_models m on m.id = j.model_id
        left join public.generation_prompts p on p.job_id = j.id,
        (select make_interval(secs => listing_margin_seconds) as margin from genflow.settings where singleton) v
      where a.poll_claim_id = p_claim_id and a.task_id is null and a.closed_at is null));
end $$;
comment on function public.claim_polls(uuid, integer, uuid) is
  'Up to p_limit results to ask for and up to p_limit unknowns to look for in the provider''s list (or one attempt''s poll). The next poll is due later from the moment of the claim.';

create function public.claim_purges(p_claim_id uuid, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
begin
  if not exists (select 1 from genflow.storage_purges where claim_id = p_claim_id) then
    update genflow.storage_purges
      set claim_id = p_claim_id, started_at = coalesce(started_at, v_now),
        due_at = v_now + make_interval(secs => (select runtime_wall_clock_seconds from genflow.settings where singleton))
      where id in (
        select id from genflow.storage_purges where done_at is null and due_at <= v_now
          order by due_at, id limit p_limit for no key update skip locked);
  end if;
  return jsonb_build_object('purges', (
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'bucketId', bucket_id, 'path', path) order by id), '[]')
    from genflow.storage_purges where claim_id = p_claim_id and done_at is null));
end $$;
comment on function public.claim_purges(uuid, integer) is 'Objects to remove now; each is due again later unless record_purge says that it is gone.';

create function public.record_purge(p_claim_id uuid, p_removed jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_rows integer;
begin
  update genflow.storage_purges
    set rounds_left = greatest(0, rounds_left - 1), claim_id = null,
      done_at = case when rounds_left <= 1 then genflow.clock() end
    where claim_id = p_claim_id and id in (select value::uuid from jsonb_array_elements_text(p_removed -> 'ids'));
  get diagnostics v_rows = row_count;
  return jsonb_build_object('recorded', v_rows);
end $$;
comment on function public.record_purge(uuid, jsonb) is
  '{ids: [...]} were removed or were not there. What may still be written by a late worker is removed a second time.';

create function public.record_provider_balance(p_balance_usd numeric) returns void
language sql volatile security definer set search_path = ''
as $$
  update genflow.provider set balance_usd = p_balance_usd, balance_at = genflow.clock() where singleton
$$;
comment on function public.record_provider_balance(numeric) is 'What the provider''s account holds, in USD.';

create function public.record_sweep(p_sweep jsonb) returns void
language sql volatile security definer set search_path = ''
as $$
  insert into genflow.sweeps (kind, started_at, finished_at, counts, errors)
  values ('http', (p_sweep ->> 'startedAt')::timestamptz, genflow.clock(), p_sweep -> 'counts', (p_sweep ->> 'errors')::integer)
$$;
comment on function public.record_sweep(jsonb) is 'What the sweep function did: {startedAt, counts, errors}.';

create function genflow.http_work() returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object(
    'ready', (select count(*) from (select 1 from public.generation_jobs
      where status = 'queued' and ready_at is not null and (select genflow.claimable(1)) > 0 limit 100) r),
    'polls', (select count(*) from (select 1 from genflow.attempts where closed_at is null and task_id is not null and next_poll_at <= t.now limit 100) p),
    'listings', (select count(*) from (select 1 from genflow.attempts a
      where a.closed_at is null and a.task_id is null and a.lease_expires_at <= t.now and genflow.listing_due(a, t.now) limit 100) l),
    'persists', (select count(*) from (select 1 from genflow.attempts where next_persist_at <= t.now limit 100) s),
    'purges', (select count(*) from (select 1 from genflow.storage_purges where done_at is null and due_at <= t.now limit 100) u),
    'balance', (select count(*) from genflow.settings g, genflow.provider b where g.singleton and b.singleton
      and g.min_provider_balance_usd is not null and coalesce(b.balance_at <= t.now - interval '15 minutes', true)))
  from (select genflow.clock() as now) t
$$;
comment on function genflow.http_work() is 'What is due that SQL cannot do itself, counted to 100 a kind.';

create function genflow.wake_sweep_function() returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_url text;
  v_secret text;
  v_timestamp text := floor(extract(epoch from genflow.clock()))::bigint::text;
begin
  if not exists (select 1 from jsonb_each_text(genflow.http_work()) where value::integer > 0) then
    return false;
  end if;
  if to_regclass('vault.decrypted_secrets') is null
    or to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is null then
    return false;
  end if;
  execute 'select max(decrypted_secret) filter (where name = ''genflow_functions_url''),
      max(decrypted_secret) filter (where name = ''genflow_sweep_secret'')
    from vault.decrypted_secrets where name in (''genflow_functions_url'', ''genflow_sweep_secret'')' into v_url, v_secret;
  if v_url is null or v_secret is null then
    -- A project that is not configured yet stays quiet.
    return false;
  end if;
  execute 'select net.http_post(url := $1, body := ''{}'', headers := $2, timeout_milliseconds := 5000)'
    using v_url || '/sweep', jsonb_build_object('Content-Type', 'application/json',
      -- Anyone with a database login can read queued headers: so a stamp that is good for a minute, not a key.
      'x-genflow-sweep', v_timestamp || '.' || encode(extensions.hmac(v_timestamp, v_secret, 'sha256'), 'hex'));
  return true;
end $$;
comment on function genflow.wake_sweep_function() is
  'Posts to the sweep function if HTTP work is due. Address and secret come from the Vault: genflow_functions_url, genflow_sweep_secret.';

create function public.http_work_due() returns jsonb
language sql volatile security definer set search_path = ''
as $$ select genflow.http_work() $$;
comment on function public.http_work_due() is 'What is due for the sweep function, counted to 100 a kind: {ready, polls, listings, persists, purges, balance}.';

revoke execute on function genflow.listing_due(genflow.attempts, timestamptz), genflow.poll_interval(genflow.attempts), genflow.http_work(),
  genflow.wake_sweep_function()
  from public, anon, authenticated, service_role;
revoke execute on function public.claim_polls(uuid, integer, uuid), public.claim_purges(uuid, integer), public.record_purge(uuid, jsonb),
  public.record_provider_balance(numeric), public.record_sweep(jsonb), public.http_work_due()
  from public, anon, authenticated, service_role;
grant execute on function public.claim_polls(uuid, integer, uuid), public.claim_purges(uuid, integer), public.record_purge(uuid, jsonb),
  public.record_provider_balance(numeric), public.record_sweep(jsonb), public.http_work_due() to service_role;
