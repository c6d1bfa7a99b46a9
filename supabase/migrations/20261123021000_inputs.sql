-- Reference images: kept while a job needs them or could be tried again, removed after that.

alter table genflow.settings
  add column retry_days integer not null default 7 check (retry_days between 1 and 365),
  add column unreferenced_input_hours integer not null default 24 check (unreferenced_input_hours between 1 and 8760);
comment on column genflow.settings.retry_days is
  'A job''s reference images are kept this long after its end, so that it can be tried again with them.';
comment on column genflow.settings.unreferenced_input_hours is
  'An upload that no job names is kept this long: the app uploads before it starts.';

alter table genflow.sweep_state add column inputs_seen_to text;
comment on column genflow.sweep_state.inputs_seen_to is
  'The last reference image that was looked at; null = from the beginning.';

-- Which jobs name an upload. Only jobs with reference images stand in it, and without a pending list, which every
-- search would read to its end.
create index generation_jobs_inputs on public.generation_jobs using gin (input_paths)
  with (fastupdate = off) where cardinality(input_paths) > 0;

create function genflow.unneeded_inputs(p_names text[], p_now timestamptz) returns text[]
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_uploaded_before timestamptz;
  v_ended_before timestamptz;
begin
  select p_now - make_interval(hours => unreferenced_input_hours), p_now - make_interval(days => retry_days)
    into v_uploaded_before, v_ended_before from genflow.settings where singleton;
  return array(
    select o.name from storage.objects o
    where o.bucket_id = 'generation-inputs' and o.name = any (p_names)
      -- greatest() passes over a null; an object without any time is as old as can be.
      and coalesce(greatest(o.created_at, o.updated_at), '-infinity') <= v_uploaded_before
      and not exists (
        select from public.generation_jobs j
        where cardinality(j.input_paths) > 0 and j.input_paths @> array[o.name]
          and (j.ended_at is null or j.ended_at > v_ended_before))
      and not exists (
        select from genflow.storage_purges p
        where p.bucket_id = o.bucket_id and p.path = o.name and p.done_at is null));
end $$;
comment on function genflow.unneeded_inputs(text[], timestamptz) is
  'Which of these uploads are old enough, named by no live job and by none that ended in the last retry_days, and not yet queued for removal.';

create function genflow.lock_owners(p_names text[]) returns text[]
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_owner uuid;
  v_busy text[] := array[]::text[];
begin
  for v_owner in
    select distinct split_part(name, '/', 1)::uuid as owner from unnest(p_names) name
    -- As a start compares it: other spellings of a UUID are nobody's folder.
    where split_part(name, '/', 1) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    order by owner
  loop
    -- A user whose first start is under way has no account that could be seen yet, so a known user gets one here.
    -- Nobody else does.
    if exists (select from genflow.accounts where user_id = v_owner) then
      perform 1 from genflow.accounts where user_id = v_owner for no key update skip locked;
      if not found then
        v_busy := v_busy || v_owner::text;
      end if;
    elsif exists (select from auth.users where id = v_owner) then
      perform genflow.lock_account(v_owner);
    end if;
  end loop;
  return array(select name from unnest(p_names) name where split_part(name, '/', 1) <> all (v_busy));
end $$;
comment on function genflow.lock_owners(text[]) is
  'Takes the account locks of the users in whose folders these objects are, in ascending order, without waiting for any. Answers the names but for those whose owner''s lock is not to be had.';

create function genflow.purge_inputs() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_batch constant integer := 200;
  v_now timestamptz := genflow.clock();
  v_seen_to text := coalesce((select inputs_seen_to from genflow.sweep_state where singleton), '');
  v_names text[];
  v_unneeded text[];
  v_queued integer := 0;
begin
  v_names := array(
    select name from storage.objects
    where bucket_id = 'generation-inputs' and name > v_seen_to order by name limit v_batch);
  v_unneeded := genflow.unneeded_inputs(v_names, v_now);
  if cardinality(v_unneeded) > 0 then
    v_unneeded := genflow.lock_owners(v_unneeded);
    -- Looked at again: a start may have named one before its owner's lock was had. One that begins from here on
    -- waits for the lock and finds the removal queued.
    v_unneeded := genflow.unneeded_inputs(v_unneeded, v_now);
    insert into genflow.storage_purges as p (bucket_id, path, reason, due_at)
      select 'generation-inputs', name, 'input_not_needed', v_now from unnest(v_unneeded) name
      on conflict (bucket_id, path) do update -- removed before, and uploaded again since
        set reason = excluded.reason, due_at = excluded.due_at, job_id = null, rounds_left = 1, started_at = null,
          claim_id = null, done_at = null
        where p.done_at is not null;
    get diagnostics v_queued = row_count;
  end if;
  -- Last, as in the promotions: the accounts come first in the order of locks.
  update genflow.sweep_state
    set inputs_seen_to = case when cardinality(v_names) = v_batch then v_names[v_batch] end where singleton;
  return v_queued;
end $$;
comment on function genflow.purge_inputs() is
  'Looks at the next 200 reference images and queues the removal of those that nothing needs: unnamed for unreferenced_input_hours, or named only by jobs that ended more than retry_days ago. Answers how many.';

revoke execute on function genflow.unneeded_inputs(text[], timestamptz), genflow.lock_owners(text[]), genflow.purge_inputs()
  from public, anon, authenticated, service_role;
