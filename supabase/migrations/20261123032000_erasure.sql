-- Erasure: whoever is deleted in the dashboard leaves nothing behind, and nothing of ours stands in the way of it.
--
-- A trigger on auth.users queues the erasure and cannot fail the deletion; a user it missed is found by the sweep. The
-- sweep then works an erasure off in short transactions under the user's account lock, each of which may be the last
-- that ran: what is left is always found from the rows themselves. It never waits for an account and never takes the
-- provider. Storage's objects go through the Storage API, as every purge does. Pushed messages of the user's topic
-- hold no words and no money; the platform drops them after 72 hours, and no index would find them sooner.

alter table genflow.settings
  add column user_token_seconds integer not null default 3600 check (user_token_seconds between 1 and 604800);
comment on column genflow.settings.user_token_seconds is
  'How long auth''s access tokens are good: a deleted user''s last one can upload that long, and an erasure looks that long. Raise it with auth''s own setting.';
alter table genflow.settings
  add column vanished_most integer not null default 10 check (vanished_most between 0 and 200);
comment on column genflow.settings.vanished_most is
  'More users than this that are gone from auth.users at one look, without their deletion having been seen, are taken for a lost table (a restore, a move of auth) and not erased. 200 lets all of them go.';

alter table genflow.accounts add column known_to_auth boolean not null default false;
comment on column genflow.accounts.known_to_auth is
  'auth.users had this user once: if it has no more, the user was deleted. False for users who sign in elsewhere.';
update genflow.accounts a set known_to_auth = true
  where a.sign_up_granted_at is not null or exists (select from auth.users u where u.id = a.user_id);

alter table genflow.sweep_state add column accounts_seen_to uuid;
comment on column genflow.sweep_state.accounts_seen_to is
  'The last account that was looked at for a deleted user; null = from the beginning.';

-- A user's purges begin with his id. In the order of bytes they stand side by side in the key's index.
alter table genflow.storage_purges alter column path type text collate "C";

create table genflow.erasures (
  id uuid primary key default genflow.new_id(),
  user_id uuid unique,
  ledger_user_id uuid default genflow.new_id(),
  asked_by text not null check (asked_by in ('deletion', 'sweep')),
  asked_at timestamptz not null default genflow.clock(),
  due_at timestamptz default genflow.clock(),
  objects_seen_to text,
  rows_gone_at timestamptz,
  finished_at timestamptz,
  check ((finished_at is null) = (user_id is not null)),
  check ((finished_at is null) = (due_at is not null)),
  check (finished_at is null or (ledger_user_id is null and objects_seen_to is null))
);
create index erasures_due on genflow.erasures (due_at, id) where due_at is not null;
create index erasures_finished on genflow.erasures (finished_at) where finished_at is not null;
comment on table genflow.erasures is
  'Deleted users of whom something may be left. Once finished it says when, no longer whom, and is kept for sweep_history_days.';
comment on column genflow.erasures.ledger_user_id is 'Takes the user''s place in the ledger, whose lines stay: one for all of them, forgotten with the end.';
comment on column genflow.erasures.asked_by is 'deletion: the trigger on auth.users. sweep: an account whose user was gone, so the trigger had failed.';
comment on column genflow.erasures.objects_seen_to is 'How far this look through the user''s objects has come; null = from the beginning.';
comment on column genflow.erasures.rows_gone_at is 'When the last row of the user was deleted: from here on only objects can turn up.';
revoke all on table genflow.erasures from public, anon, authenticated, service_role;

-- Asking

create function genflow.queue_erasure() returns trigger
language plpgsql volatile security definer set search_path = '' set lock_timeout = '500ms'
as $$
begin
  begin
    insert into genflow.erasures (user_id, asked_by) values (old.id, 'deletion') on conflict (user_id) do nothing;
  exception when others then
    raise warning 'genflow: an erasure could not be queued, the sweep will find it: %', sqlerrm;
  end;
  return null;
end $$;
comment on function genflow.queue_erasure() is 'A deleted user is to be erased. Whatever fails here fails no deletion.';
create trigger genflow_erasure after delete on auth.users
  for each row execute function genflow.queue_erasure();

create function genflow.find_vanished() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_batch constant integer := 200;
  v_seen_to uuid := coalesce((select accounts_seen_to from genflow.sweep_state where singleton), '00000000-0000-0000-0000-000000000000');
  v_users uuid[];
  v_vanished uuid[];
  v_most integer;
  v_found integer := 0;
begin
  v_users := array(select user_id from genflow.accounts where user_id > v_seen_to order by user_id limit v_batch);
  update genflow.accounts set known_to_auth = true
    where user_id = any (array(
      select a.user_id from genflow.accounts a
        where a.user_id = any (v_users) and not a.known_to_auth and exists (select from auth.users u where u.id = a.user_id)
        for no key update skip locked));
  v_vanished := array(
    select a.user_id from genflow.accounts a
      where a.user_id = any (v_users) and a.known_to_auth
        and not exists (select from auth.users u where u.id = a.user_id)
        and not exists (select from genflow.erasures e where e.user_id = a.user_id)
      order by a.user_id);
  select vanished_most into v_most from genflow.settings where singleton;
  -- An erasure cannot be taken back. A deletion is seen by its trigger; many that were not are more likely none.
  if cardinality(v_vanished) > v_most
    or (cardinality(v_vanished) > 1 and v_most < v_batch and not exists (select from auth.users)) then
    raise warning 'genflow.sweep: % users are gone from auth.users and their deletion was not seen: if they were deleted, set genflow.settings.vanished_most to %',
      cardinality(v_vanished), v_batch;
  else
    insert into genflow.erasures (user_id, asked_by)
      select v.user_id, 'sweep' from unnest(v_vanished) v (user_id)
      on conflict (user_id) do nothing;
    get diagnostics v_found = row_count;
  end if;
  update genflow.sweep_state
    set accounts_seen_to = case when cardinality(v_users) = v_batch then v_users[v_batch] end where singleton;
  return v_found;
end $$;
comment on function genflow.find_vanished() is
  'Looks at the next 200 accounts and queues the erasure of those whose user was deleted without the trigger''s help. Answers how many.';

-- Refusing what would bring a deleted user back: the last token outlives its user

create function genflow.is_gone(p_user_id uuid) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  return exists (select from genflow.erasures where user_id = p_user_id)
    or (exists (select from genflow.accounts where user_id = p_user_id and known_to_auth)
      and not exists (select from auth.users where id = p_user_id));
end $$;
comment on function genflow.is_gone(uuid) is
  'The user was deleted. Whoever is made anew under the same id is refused too until the erasure is finished.';

create or replace function genflow.lock_account(p_user_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform 1 from genflow.accounts where user_id = p_user_id for no key update;
  if not found then
    insert into genflow.accounts (user_id, known_to_auth)
      select p_user_id, exists (select from auth.users where id = p_user_id)
      where not exists (select from genflow.erasures where user_id = p_user_id)
      on conflict (user_id) do nothing;
    perform 1 from genflow.accounts where user_id = p_user_id for no key update;
  end if;
end $$;
comment on function genflow.lock_account(uuid) is
  'Takes the lock that orders all a user does; makes the account if there is none, unless the user is being erased.';

create or replace function genflow.caller() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_user_id uuid := (select auth.uid());
begin
  if v_user_id is null or genflow.is_gone(v_user_id) then
    raise exception 'sign in first' using errcode = 'PT401', hint = 'unauthorized';
  end if;
  return v_user_id;
end $$;
comment on function genflow.caller() is 'Who calls; refuses a call without a user, and one with the token of a deleted user.';

create or replace function public.start_generation(p_user_id uuid, p_idempotency_key uuid, p_request_hash text, p_request jsonb, p_trace_id text)
returns jsonb
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
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
  if genflow.is_gone(p_user_id) then
    return genflow.refusal('unauthorized');
  end if;
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

create or replace function public.grant_credits(p_user_id uuid, p_credits integer, p_reference text) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_granted integer;
begin
  if p_user_id is null or coalesce(p_credits, 0) <= 0 or coalesce(p_reference, '') = '' then
    raise exception 'grant_credits needs a user id, a positive number of credits and a reference' using errcode = '22023';
  end if;
  perform genflow.lock_account(p_user_id);
  if genflow.is_gone(p_user_id) then
    raise exception 'the user was deleted' using errcode = '22023';
  end if;
  select amount into v_granted from public.credit_entries
    where user_id = p_user_id and reference = p_reference and kind in ('grant', 'adjust');
  if v_granted is not null and v_granted <> p_credits then
    raise exception 'the reference was already used for another amount' using errcode = '22023';
  end if;
  if v_granted is null then
    perform genflow.add_entry(p_user_id, 'grant', p_credits, null, p_reference, null);
  end if;
  return jsonb_build_object('granted', p_credits, 'replay', v_granted is not null,
    'balance', (select balance from genflow.accounts where user_id = p_user_id));
end $$;

create or replace function public.adjust_credits(p_user_id uuid, p_credits integer, p_reference text) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_adjusted integer;
  v_balance integer;
begin
  if p_user_id is null or coalesce(p_credits, 0) = 0 or coalesce(p_reference, '') = '' then
    raise exception 'adjust_credits needs a user id, a number of credits other than 0 and a reference' using errcode = '22023';
  end if;
  perform genflow.lock_account(p_user_id);
  if genflow.is_gone(p_user_id) then
    raise exception 'the user was deleted' using errcode = '22023';
  end if;
  select amount into v_adjusted from public.credit_entries
    where user_id = p_user_id and reference = p_reference and kind in ('grant', 'adjust');
  if v_adjusted <> p_credits then
    raise exception 'the reference was already used for another amount' using errcode = '22023';
  end if;
  select balance into v_balance from genflow.accounts where user_id = p_user_id;
  if v_adjusted is null then
    if v_balance + p_credits < 0 then
      return genflow.refusal('insufficient_credits', jsonb_build_object('balance', v_balance, 'price', -p_credits));
    end if;
    perform genflow.add_entry(p_user_id, 'adjust', p_credits, null, p_reference, null);
  end if;
  return jsonb_build_object('ok', true, 'adjusted', p_credits, 'replay', v_adjusted is not null,
    'balance', (select balance from genflow.accounts where user_id = p_user_id));
end $$;

-- Erasing

create or replace function genflow.refuse_change() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' and to_jsonb(new) - 'user_id' = to_jsonb(old) - 'user_id'
    and new.user_id = (select ledger_user_id from genflow.erasures where user_id = old.user_id) then
    return new;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
comment on function genflow.refuse_change() is
  'Keeps the ledger append-only, whoever asks. One change is let through: an erasure''s, which puts the id drawn for it in the place of its user''s.';

create function genflow.end_for_erasure(p_user_id uuid, p_limit integer) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job_id uuid;
  v_ended integer := 0;
  v_told jsonb;
begin
  -- The waiting first: canceling what runs would else make them ready one by one.
  foreach v_job_id in array array(
    (select id from public.generation_jobs where user_id = p_user_id and status = 'queued' limit p_limit)
    union all
    (select id from public.generation_jobs
      where user_id = p_user_id and status in ('submitting', 'unknown', 'processing', 'persisting') limit p_limit))
  loop
    if (select status from public.generation_jobs where id = v_job_id) = 'persisting' then
      -- A picture that nobody will see is not stored any more. What was stored before is charged, as at the deadline.
      if exists (select from public.generation_images where job_id = v_job_id) then
        perform genflow.finish_job(v_job_id);
      else
        update genflow.attempts set next_persist_at = null where job_id = v_job_id and next_persist_at is not null;
        perform genflow.fail_job(v_job_id, 'outputs_unusable');
      end if;
    else
      v_told := public.cancel_generation(p_user_id, v_job_id) -> 'tellTaskIds';
      if jsonb_array_length(v_told) > 0 then
        -- The sweep has no way to the provider: nobody was told.
        update genflow.attempts set told_at = null where job_id = v_job_id;
      end if;
    end if;
    v_ended := v_ended + 1;
  end loop;
  return v_ended;
end $$;
comment on function genflow.end_for_erasure(uuid, integer) is
  'Cancels the user''s live jobs, and ends those that are being stored. Answers how many. The caller holds the account''s lock.';

create function genflow.erase_rows(p_erasure genflow.erasures) returns text
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_lines constant integer := 1000;
  v_user_id constant uuid := p_erasure.user_id;
  v_words integer;
  v_ended integer;
  v_jobs uuid[];
  v_entries integer;
begin
  -- What is erased is not sent any more: a submit without its words is refused.
  delete from public.generation_prompts
    where job_id = any (array(select job_id from public.generation_prompts where user_id = v_user_id limit v_lines));
  get diagnostics v_words = row_count;
  v_ended := genflow.end_for_erasure(v_user_id, v_batch);
  -- An open attempt may still be billed and holds a slot, so its job waits for it: three hours at most.
  v_jobs := array(
    select j.id from public.generation_jobs j
      where j.user_id = v_user_id and j.ended_at is not null
        and not exists (select from genflow.attempts a where a.job_id = j.id and a.closed_at is null)
      limit v_batch);
  delete from public.generation_jobs where id = any (v_jobs);
  if v_words = v_lines or v_ended >= v_batch or cardinality(v_jobs) = v_batch then
    return 'more';
  elsif exists (select from public.generation_jobs where user_id = v_user_id) then
    return 'waiting';
  end if;
  -- Before the ledger's lines: a balance is the sum of its user's entries for as long as there is one.
  delete from genflow.accounts where user_id = v_user_id;
  update public.credit_entries set user_id = p_erasure.ledger_user_id
    where id = any (array(select id from public.credit_entries where user_id = v_user_id order by id desc limit v_lines));
  get diagnostics v_entries = row_count;
  return case when v_entries = v_lines then 'more' else 'gone' end;
end $$;
comment on function genflow.erase_rows(genflow.erasures) is
  'A share of the user''s rows: words at once, jobs with all that hangs on them once their attempts are closed, the account last. Answers more, waiting or gone. The caller holds the account''s lock.';

create function genflow.erase_objects(p_erasure genflow.erasures, p_now timestamptz) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_batch constant integer := 500;
  -- In the order of bytes, '0' follows '/'.
  v_end constant text := p_erasure.user_id || '0';
  v_from constant text := coalesce(p_erasure.objects_seen_to, p_erasure.user_id || '/');
  v_buckets text[];
  v_names text[];
begin
  select array_agg(o.bucket_id order by o.name using ~<~), array_agg(o.name order by o.name using ~<~) into v_buckets, v_names
    from (
      select bucket_id, name from storage.objects
        -- These comparisons are the ones that Storage's index of names knows. From the last name on, not after it: the
        -- other bucket may have an object of the same name.
        where name ~>=~ v_from and name ~<~ v_end and bucket_id in ('generations', 'generation-inputs')
        order by name using ~<~ limit v_batch) o;
  -- Removed before, and written again since. A purge that is under way stays as it is.
  update genflow.storage_purges
    set reason = 'erased', due_at = p_now, job_id = null, rounds_left = 1, started_at = null, claim_id = null, done_at = null
    where id = any (array(
      select p.id from unnest(v_buckets, v_names) o (bucket_id, name)
        join genflow.storage_purges p on p.bucket_id = o.bucket_id and p.path = o.name
        where p.done_at is not null for no key update of p skip locked));
  insert into genflow.storage_purges (bucket_id, path, reason, due_at)
    select o.bucket_id, o.name, 'erased', p_now from unnest(v_buckets, v_names) o (bucket_id, name)
      where not exists (select from genflow.storage_purges p where p.bucket_id = o.bucket_id and p.path = o.name)
    on conflict (bucket_id, path) do nothing;
  update genflow.erasures
    set objects_seen_to = case when cardinality(v_names) = v_batch then v_names[v_batch] end
    where id = p_erasure.id;
  return coalesce(cardinality(v_names) = v_batch, false);
end $$;
comment on function genflow.erase_objects(genflow.erasures, timestamptz) is
  'Queues the removal of the user''s next 500 objects, whoever wrote them and whether or not a row names them. True if there may be more.';

create function genflow.forget_purges(p_user_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_batch constant integer := 1000;
  v_from constant text := p_user_id || '/';
  v_end constant text := p_user_id || '0';
  v_buckets constant text[] := array['generations', 'generation-inputs'];
begin
  -- An object that this step has found has one.
  if exists (select from genflow.storage_purges
    where bucket_id = any (v_buckets) and path >= v_from and path < v_end and done_at is null) then
    return null;
  end if;
  delete from genflow.storage_purges where id = any (array(
    select id from genflow.storage_purges where bucket_id = any (v_buckets) and path >= v_from and path < v_end
      limit v_batch for update skip locked));
  return not exists (select from genflow.storage_purges where bucket_id = any (v_buckets) and path >= v_from and path < v_end);
end $$;
comment on function genflow.forget_purges(uuid) is
  'Deletes what is known of the user''s removed objects, whose names hold his id: true once none is left, null while one is still to be removed.';

-- Planned for the values at hand: who asks genflow.undelivered for one job, as deleting a job does, would with a plan that
-- serves for all jobs too read every attempt there is (measured: 18,112 rows instead of 1,911 with 3,000 jobs of others).
create function genflow.erase(p_erasure genflow.erasures, p_now timestamptz) returns timestamptz
language plpgsql volatile security definer set search_path = ''
  set lock_timeout = '200ms' set enable_seqscan = off set plan_cache_mode = force_custom_plan
as $$
declare
  -- Storage takes an upload that was signed in the last token's last moment for so long.
  v_signed_upload constant interval := interval '2 hours';
  v_rows text;
  v_has_more boolean;
  v_settings genflow.settings;
  v_watch_until timestamptz;
  v_forgotten boolean;
begin
  perform 1 from genflow.accounts where user_id = p_erasure.user_id for no key update skip locked;
  if not found and exists (select from genflow.accounts where user_id = p_erasure.user_id) then
    return p_now + interval '5 seconds';
  end if;
  v_rows := genflow.erase_rows(p_erasure);
  v_has_more := genflow.erase_objects(p_erasure, p_now);
  if v_rows = 'gone' and p_erasure.rows_gone_at is null then
    p_erasure.rows_gone_at := p_now;
    update genflow.erasures set rows_gone_at = p_now where id = p_erasure.id;
  end if;
  if v_rows = 'more' or v_has_more then
    return p_now;
  elsif v_rows = 'waiting' then
    return p_now + interval '1 minute';
  end if;
  -- Late objects come from who has a token, and from a function that was storing a picture when the rows went.
  select * into v_settings from genflow.settings where singleton;
  v_watch_until := greatest(
    p_erasure.asked_at + make_interval(secs => v_settings.user_token_seconds) + v_signed_upload,
    p_erasure.rows_gone_at + make_interval(secs => v_settings.persist_lease_seconds + v_settings.runtime_wall_clock_seconds));
  if p_now < v_watch_until then
    return least(v_watch_until, p_now + interval '10 minutes');
  end if;
  v_forgotten := genflow.forget_purges(p_erasure.user_id);
  return case when v_forgotten is null then p_now + interval '1 minute' when not v_forgotten then p_now end;
end $$;
comment on function genflow.erase(genflow.erasures, timestamptz) is
  'One short step of an erasure. Answers when the next one is due; null: nothing of the user is left, and nothing can come any more.';

create function genflow.erase_next() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_erasure genflow.erasures;
  v_due_at timestamptz;
begin
  select * into v_erasure from genflow.erasures where due_at <= v_now order by due_at, id limit 1 for update skip locked;
  if not found then
    return 0;
  end if;
  begin
    v_due_at := genflow.erase(v_erasure, v_now);
  exception when others then
    raise warning 'genflow.sweep: erasure % waits a minute: %', v_erasure.id, sqlerrm;
    v_due_at := v_now + interval '1 minute';
  end;
  if v_due_at is not null then
    update genflow.erasures set due_at = v_due_at where id = v_erasure.id;
  else
    update genflow.erasures
      set due_at = null, finished_at = v_now, user_id = null, ledger_user_id = null, objects_seen_to = null
      where id = v_erasure.id;
    -- More than one at a time, so that they do not pile up.
    delete from genflow.erasures where id = any (array(
      select id from genflow.erasures
        where finished_at < v_now - make_interval(days => (select sweep_history_days from genflow.settings where singleton))
        order by finished_at limit 10));
  end if;
  return 1;
end $$;
comment on function genflow.erase_next() is 'One step of the erasure that is due longest. Answers 0 if none is. One that fails waits a minute and stops no other.';

-- Whoever holds several purges may not be waited for by one who holds others: what is busy is due again later.
create or replace function public.record_purge(p_claim_id uuid, p_removed jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_rows integer;
begin
  update genflow.storage_purges
    set rounds_left = greatest(0, rounds_left - 1), claim_id = null,
      done_at = case when rounds_left <= 1 then genflow.clock() end
    where id = any (array(
      select id from genflow.storage_purges
        where claim_id = p_claim_id and id in (select value::uuid from jsonb_array_elements_text(p_removed -> 'ids'))
        for no key update skip locked));
  get diagnostics v_rows = row_count;
  return jsonb_build_object('recorded', v_rows);
end $$;

create or replace function genflow.sweep_upkeep(p_task text) returns integer
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_lock constant bigint := 4711052610;
begin
  -- One sweep at a time keeps house: two of them would take the same rows in different orders.
  if not pg_try_advisory_xact_lock(v_lock) then
    return 0;
  end if;
  return case p_task
    when 'estimates' then genflow.keep_estimates()
    when 'inputs' then genflow.purge_inputs()
    when 'vanished' then genflow.find_vanished()
    when 'erasures' then genflow.erase_next()
    when 'pruned' then genflow.prune()
    when 'woke' then genflow.wake_sweep_function()::integer
  end;
end $$;
comment on function genflow.sweep_upkeep(text) is
  'One task that each sweep does besides: estimates, inputs, vanished, erasures (one step of one), pruned or woke. Answers how many rows it touched; 0 while another sweep is at it.';

create or replace procedure genflow.sweep()
language plpgsql
as $$
declare
  v_started_at timestamptz := genflow.clock();
  v_until timestamptz;
  v_step text;
  v_moved integer;
  v_rounds integer;
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
  foreach v_step in array array['estimates', 'inputs', 'vanished', 'erasures', 'pruned', 'woke'] loop
    v_rounds := 0;
    loop
      begin
        v_moved := genflow.sweep_upkeep(v_step);
        v_counts := v_counts || pg_catalog.jsonb_build_object(v_step, coalesce((v_counts ->> v_step)::integer, 0) + v_moved);
      exception when others then
        v_moved := 0;
        v_errors := v_errors + 1;
        raise warning 'genflow.sweep: % failed: %', v_step, sqlerrm;
      end;
      commit;
      v_rounds := v_rounds + 1;
      -- An erasure is many short transactions; a hundred thousand of them at once must not keep the leases waiting.
      exit when v_step <> 'erasures' or v_moved = 0 or v_rounds >= 100 or genflow.clock() >= v_until;
    end loop;
  end loop;
  perform genflow.note_sweep(v_started_at, v_counts, v_errors);
end $$;

revoke execute on function genflow.queue_erasure(), genflow.find_vanished(), genflow.is_gone(uuid), genflow.end_for_erasure(uuid, integer),
  genflow.erase_rows(genflow.erasures), genflow.erase_objects(genflow.erasures, timestamptz), genflow.forget_purges(uuid),
  genflow.erase(genflow.erasures, timestamptz), genflow.erase_next()
  from public, anon, authenticated, service_role;
