-- Slots and turns: who may run next.
--
-- Slots are counted from rows, never kept in a counter that could drift. A user's ready jobs are promoted as far
-- as the user's cap allows; claims take ready jobs by their frozen order from a partial index, so a claim costs
-- the same with ten or a million queued jobs and users take turns by construction.

create function genflow.occupied_slots(p_user_id uuid) returns integer
language sql stable security definer set search_path = ''
as $$
  select (
    (select count(*) from public.generation_jobs
      where user_id = p_user_id and status in ('submitting', 'unknown', 'processing', 'persisting'))
    + (select count(*) from genflow.attempts a join public.generation_jobs j on j.id = a.job_id
      where a.user_id = p_user_id and a.closed_at is null and j.status in ('completed', 'failed', 'canceled')))::integer
$$;
comment on function genflow.occupied_slots(uuid) is 'Running jobs, and attempts still open for jobs that have ended: the provider may still be at work on them.';

create function genflow.running_cap(p_user_id uuid) returns integer
language sql stable security definer set search_path = ''
as $$
  select coalesce(a.running_cap, s.user_running_cap)
  from genflow.settings s left join genflow.accounts a on a.user_id = p_user_id
  where s.singleton
$$;
comment on function genflow.running_cap(uuid) is 'How many slots the user has: the account''s own cap or the setting.';

create function genflow.promote(p_user_id uuid) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_free integer;
  v_promoted integer;
begin
  v_free := genflow.running_cap(p_user_id) - genflow.occupied_slots(p_user_id)
    - (select count(*)::integer from public.generation_jobs
        where user_id = p_user_id and status = 'queued' and ready_at is not null);
  if v_free <= 0 then
    return 0;
  end if;
  update public.generation_jobs j
    set ready_at = v_now,
      ready_order = coalesce(j.ready_order, v_now - make_interval(secs => (
        select c.head_start_seconds from genflow.accounts a
          join genflow.priority_classes c on c.name = a.priority_class where a.user_id = p_user_id)))
    where j.id in (
      select id from public.generation_jobs
        where user_id = p_user_id and status = 'queued' and ready_at is null and (not_before is null or not_before <= v_now)
        order by created_at, id limit v_free);
  get diagnostics v_promoted = row_count;
  return v_promoted;
end $$;
comment on function genflow.promote(uuid) is 'Makes as many of the user''s queued jobs ready as there are free slots. The caller holds the account''s lock.';

create function genflow.queue_json(p_job_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_max_exact constant integer := 100;
  v_job public.generation_jobs;
  v_ahead integer := 0;
  v_seconds integer;
  v_parallel integer;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  select expected_seconds into v_seconds from public.generation_models where id = v_job.model_id;
  if v_job.status <> 'queued' then
    return jsonb_build_object('position', 0, 'exact', true, 'etaSeconds',
      case when v_job.ended_at is not null then 0
        else greatest(1, v_seconds - extract(epoch from genflow.clock() - coalesce(v_job.submitting_at, v_job.created_at))::integer) end);
  end if;
  if v_job.ready_at is not null then
    select count(*) into v_ahead from (
      select 1 from public.generation_jobs
        where status = 'queued' and ready_at is not null and (ready_order, id) < (v_job.ready_order, v_job.id)
        limit v_max_exact) ahead;
  else
    -- Not its user's turn yet: only the user's own jobs before it are certain to come first.
    select count(*) into v_ahead from (
      select 1 from public.generation_jobs
        where user_id = v_job.user_id and status = 'queued' and id <> v_job.id
          and (ready_at is not null or (created_at, id) < (v_job.created_at, v_job.id))
        limit v_max_exact) ahead;
  end if;
  select greatest(1, case when v_job.ready_at is not null then p.running_cap else least(p.running_cap, genflow.running_cap(v_job.user_id)) end)
    into v_parallel from genflow.provider p where p.singleton;
  return jsonb_build_object('position', v_ahead, 'exact', v_job.ready_at is not null and v_ahead < v_max_exact,
    'etaSeconds', v_seconds * (1 + (v_ahead + v_parallel - 1) / v_parallel));
end $$;
comment on function genflow.queue_json(uuid) is
  'Jobs ahead and a rough time to the picture, in seconds. Exact for a ready job below 100, a lower bound otherwise; its cost does not grow with the queue.';

revoke execute on function genflow.occupied_slots(uuid), genflow.running_cap(uuid), genflow.promote(uuid), genflow.queue_json(uuid)
  from public, anon, authenticated, service_role;
