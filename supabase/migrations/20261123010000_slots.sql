-- The kernel's small parts, made to cost what they do and no more.
--
-- A function in the language SQL is parsed and planned at each of its calls; one in PL/pgSQL keeps its plans for as
-- long as its session lives, and the Data API's sessions live long. So what every call of the kernel passes through
-- is PL/pgSQL from here on.

create or replace function genflow.clock() returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$ begin return pg_catalog.clock_timestamp(); end $$;

create or replace function genflow.new_id() returns uuid
language plpgsql volatile security definer set search_path = ''
as $$ begin return pg_catalog.gen_random_uuid(); end $$;

create or replace function genflow.random_unit() returns double precision
language plpgsql volatile security definer set search_path = ''
as $$ begin return pg_catalog.random(); end $$;

create or replace function genflow.tokens_now(p_tokens double precision, p_since timestamptz, p_burst integer, p_per_minute integer, p_now timestamptz)
returns double precision
language plpgsql immutable security definer set search_path = ''
as $$
begin
  return case when p_since = '-infinity' then p_burst::double precision
    else least(p_burst::double precision, p_tokens + greatest(0, extract(epoch from p_now - p_since)) * p_per_minute / 60) end;
end $$;

-- One index for all that is asked of a user's queued jobs: how many are ready, which waits longest, who kept a place.
-- It takes the place of two, and the count of ready jobs no longer reads every job that waits.
create index generation_jobs_turns on public.generation_jobs (user_id, ready_at, ready_order, created_at, id) where status = 'queued';
drop index public.generation_jobs_queued;
drop index public.generation_jobs_waiting;

create or replace function genflow.occupied_slots(p_user_id uuid) returns integer
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (select count(*) from public.generation_jobs
      where user_id = p_user_id and status in ('submitting', 'unknown', 'processing', 'persisting'))
    + (select count(*) from genflow.attempts a join public.generation_jobs j on j.id = a.job_id
      where a.user_id = p_user_id and a.closed_at is null and j.status in ('completed', 'failed', 'canceled'));
end $$;

create or replace function genflow.running_cap(p_user_id uuid) returns integer
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (select coalesce(a.running_cap, s.user_running_cap)
    from genflow.settings s left join genflow.accounts a on a.user_id = p_user_id
    where s.singleton);
end $$;

-- Pending is queued or running, and both have an index of the user's already.
create function genflow.pending_jobs(p_user_id uuid, p_limit integer) returns integer
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (select count(*) from (
    (select 1 from public.generation_jobs where user_id = p_user_id and status = 'queued'
      order by ready_at, ready_order, created_at, id limit p_limit)
    union all
    (select 1 from public.generation_jobs
      where user_id = p_user_id and status in ('submitting', 'unknown', 'processing', 'persisting') limit p_limit)) pending);
end $$;
comment on function genflow.pending_jobs(uuid, integer) is 'The user''s jobs that have not ended, of each kind counted no further than p_limit.';
drop index public.generation_jobs_pending;

create function genflow.free_slots(p_user_id uuid) returns integer
language plpgsql stable security definer set search_path = ''
as $$
begin
  return genflow.running_cap(p_user_id) - genflow.occupied_slots(p_user_id)
    - (select count(*) from public.generation_jobs
        where user_id = p_user_id and status = 'queued' and ready_at is not null);
end $$;
comment on function genflow.free_slots(uuid) is 'How many more of the user''s jobs may become ready: the cap less what is occupied and what is ready. Negative after a cap was lowered.';

create function genflow.order_of_turn(p_user_id uuid, p_now timestamptz) returns timestamptz
language plpgsql stable security definer set search_path = ''
as $$
begin
  return p_now - make_interval(secs => (select c.head_start_seconds from genflow.accounts a
    join genflow.priority_classes c on c.name = a.priority_class where a.user_id = p_user_id));
end $$;
comment on function genflow.order_of_turn(uuid, timestamptz) is 'Where a job that becomes ready now takes its place: now, less the head start of its account''s class.';

create function genflow.has_waiting(p_user_id uuid) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  -- In the index's order: asked for just any row, the planner reads the whole table where one user owns most of it.
  return (select id from public.generation_jobs
    where user_id = p_user_id and status = 'queued' and ready_at is null
    order by ready_at, ready_order, created_at, id limit 1) is not null;
end $$;
comment on function genflow.has_waiting(uuid) is 'Whether the user has a queued job that is not ready.';

create or replace function genflow.promote(p_user_id uuid) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz;
  v_free integer;
  v_job_id uuid;
  v_kept_order timestamptz;
  v_promoted integer := 0;
begin
  -- Most who end a job have no other waiting: one look into the index.
  if not genflow.has_waiting(p_user_id) then
    return 0;
  end if;
  v_free := genflow.free_slots(p_user_id);
  v_now := genflow.clock();
  if v_free = 0 then
    -- Who comes back to an earlier place takes the slot of the user's last ready job, which keeps its own. Else half a
    -- second of delay would cost a whole round: the next job, at the end of the order, has taken the slot meanwhile.
    for v_kept_order in
      select ready_order from public.generation_jobs
        where user_id = p_user_id and status = 'queued' and ready_at is null and ready_order is not null
          and (not_before is null or not_before <= v_now)
        order by ready_at, ready_order, created_at, id
    loop
      update public.generation_jobs set ready_at = null
        where id = (select id from public.generation_jobs
          where user_id = p_user_id and status = 'queued' and ready_at is not null and ready_order > v_kept_order
          order by ready_order desc, id desc limit 1);
      exit when not found;
      v_free := v_free + 1;
    end loop;
  end if;
  if v_free <= 0 then
    return 0;
  end if;
  -- One by one: a limit that comes as a parameter counts as a tenth of the table, which is then joined as a whole.
  for v_job_id in
    -- Who kept a place comes first, then who has waited longest.
    select id from public.generation_jobs
      where user_id = p_user_id and status = 'queued' and ready_at is null and (not_before is null or not_before <= v_now)
      order by ready_at, ready_order, created_at, id limit v_free
  loop
    update public.generation_jobs
      set ready_at = v_now, ready_order = coalesce(ready_order, genflow.order_of_turn(p_user_id, v_now))
      where id = v_job_id;
    v_promoted := v_promoted + 1;
  end loop;
  return v_promoted;
end $$;

create function genflow.keeps_place(p_user_id uuid) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_cap integer := genflow.running_cap(p_user_id);
begin
  return (select count(*) from (
    select 1 from public.generation_jobs
      where user_id = p_user_id and status = 'queued' and ready_at is null and ready_order is not null
      order by ready_at, ready_order, created_at, id limit v_cap) kept) < v_cap;
end $$;
comment on function genflow.keeps_place(uuid) is
  'Whether one more of the user''s delayed jobs may come back to its old place. No more than the running cap may, or a user whose jobs failed a hundred times would come back with a hundred turns before everybody else''s first.';

revoke execute on function genflow.pending_jobs(uuid, integer), genflow.free_slots(uuid), genflow.has_waiting(uuid), genflow.order_of_turn(uuid, timestamptz), genflow.keeps_place(uuid)
  from public, anon, authenticated, service_role;
