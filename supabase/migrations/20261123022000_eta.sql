-- Position and time to the picture, at a cost that does not grow with the queue; and what the sweep measures for both.

-- Delivered attempts of a model, newest last. One entry a delivery.
create index attempts_delivered on genflow.attempts (model_id, result_at) where closed_how = 'delivered';

create table genflow.estimates (
  model_id text primary key references public.generation_models (id) on delete cascade,
  turn_seconds double precision not null check (turn_seconds >= 0),
  slot_seconds double precision not null check (slot_seconds >= 0),
  storing_seconds double precision not null check (storing_seconds >= 0),
  deliveries integer not null,
  measured_to timestamptz not null
);
comment on table genflow.estimates is
  'How long a model takes, from its last deliveries, kept by the sweep. No row: too few were seen, and expected_seconds stands for all of it.';
comment on column genflow.estimates.turn_seconds is 'Median from the claim to the stored pictures.';
comment on column genflow.estimates.slot_seconds is 'Mean from the claim to the attempt''s end: how long a slot of the provider is taken. A wait is a sum of these, so not the median.';
comment on column genflow.estimates.storing_seconds is 'Median from the result to the stored pictures.';
comment on column genflow.estimates.measured_to is 'The newest result among them: without a newer one nothing is measured again.';

create table genflow.queue_marks (
  ready_order timestamptz not null,
  job_id uuid not null,
  ahead integer not null check (ahead >= 0),
  primary key (ready_order, job_id)
);
comment on table genflow.queue_marks is
  'Milestones along the ready jobs: how many were ahead of every hundredth, and of the last, when the sweep last walked along the queue. Empty while the queue is short. A job far back counts its way to the next milestone, not to the head.';

revoke all on table genflow.estimates, genflow.queue_marks from public, anon, authenticated, service_role;

-- Measuring

create function genflow.measure_model(p_model_id text, p_now timestamptz) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_min_deliveries constant integer := 5;
  -- A task that hung for hours would speak for a hundred others.
  v_outlier constant integer := 5;
  v_since constant timestamptz := p_now - interval '1 day';
  v record;
  v_changed integer := 0;
begin
  -- Where callbacks get lost a result is seen by a poll, and the first poll waits for expected_seconds: taken from
  -- such results it would feed on itself and grow for ever. So only results that a callback brought count there.
  select count(*) as deliveries, max(d.result_at) as measured_to,
      count(*) filter (where d.by_callback) as callbacks,
      percentile_cont(0.5) within group (order by d.task_seconds) filter (where d.by_callback) as task_seconds,
      percentile_cont(0.5) within group (order by d.slot_seconds) as slot_median,
      array_agg(d.slot_seconds) as slots,
      percentile_cont(0.5) within group (order by d.turn_seconds) as turn_seconds,
      percentile_cont(0.5) within group (order by d.storing_seconds) as storing_seconds
    into v
    from (
      select a.result_at, a.polls = 0 or a.called_back or a.callback_poll_at is not null as by_callback,
        greatest(0, extract(epoch from a.result_at - a.sent_at)) as task_seconds,
        greatest(0, extract(epoch from a.closed_at - a.claimed_at)) as slot_seconds,
        case when j.status = 'completed' and j.attempt_id = a.id then greatest(0, extract(epoch from j.ended_at - a.claimed_at)) end as turn_seconds,
        case when j.status = 'completed' and j.attempt_id = a.id then greatest(0, extract(epoch from j.ended_at - j.persisting_at)) end as storing_seconds
      from genflow.attempts a join public.generation_jobs j on j.id = a.job_id
      where a.model_id = p_model_id and a.closed_how = 'delivered' and a.result_at > v_since
      order by a.result_at desc limit 100) d;
  if v.callbacks >= v_min_deliveries then
    update public.generation_models
      set expected_seconds = least(3600, greatest(1, round(v.task_seconds)))::integer, updated_at = p_now
      where id = p_model_id and expected_seconds <> least(3600, greatest(1, round(v.task_seconds)))::integer;
    get diagnostics v_changed = row_count;
  end if;
  if v.deliveries >= v_min_deliveries and v.turn_seconds is not null then
    insert into genflow.estimates as e (model_id, turn_seconds, slot_seconds, storing_seconds, deliveries, measured_to)
      values (p_model_id, v.turn_seconds,
        (select avg(least(slot, v_outlier * v.slot_median)) from unnest(v.slots) slot),
        v.storing_seconds, v.deliveries, v.measured_to)
      on conflict (model_id) do update
        set turn_seconds = excluded.turn_seconds, slot_seconds = excluded.slot_seconds, storing_seconds = excluded.storing_seconds,
          deliveries = excluded.deliveries, measured_to = excluded.measured_to;
    v_changed := v_changed + 1;
  end if;
  return v_changed;
end $$;
comment on function genflow.measure_model(text, timestamptz) is
  'Sets a model''s expected_seconds and estimates from its last deliveries of the last day. With fewer than five, what is kept stays.';

create function genflow.mark_queue() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_step constant integer := 100;
  v_head record;
  v_tail record;
  v_marks integer;
begin
  select ready_order, id into v_tail from public.generation_jobs
    where status = 'queued' and ready_at is not null order by ready_order desc, id desc limit 1;
  select ready_order, id into v_head from public.generation_jobs
    where status = 'queued' and ready_at is not null order by ready_order, id offset 100 limit 1;
  if not found then
    -- Counted by whoever asks.
    delete from genflow.queue_marks;
    get diagnostics v_marks = row_count;
    return v_marks;
  elsif exists (select 1 from genflow.queue_marks where (ready_order, job_id) = (v_head.ready_order, v_head.id) and ahead = v_step)
    and exists (select 1 from genflow.queue_marks where (ready_order, job_id) = (v_tail.ready_order, v_tail.id)) then
    return 0;
  end if;
  delete from genflow.queue_marks;
  insert into genflow.queue_marks (ready_order, job_id, ahead)
    select w.ready_order, w.id, w.place - 1
    from (
      select q.ready_order, q.id, row_number() over (order by q.ready_order, q.id) as place
      from (select ready_order, id from public.generation_jobs
        where status = 'queued' and ready_at is not null order by ready_order, id limit 100000) q) w
    where (w.place - 1) % v_step = 0 or (w.ready_order, w.id) = (v_tail.ready_order, v_tail.id);
  get diagnostics v_marks = row_count;
  return v_marks;
end $$;
comment on function genflow.mark_queue() is
  'Walks along the first 100,000 ready jobs and sets the milestones anew, unless the queue stands as it stood. Answers how many it set or removed.';

create function genflow.keep_estimates() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_model record;
  v_newest timestamptz;
  v_changed integer := 0;
begin
  for v_model in
    select m.id, coalesce(e.measured_to, '-infinity') as measured_to
      from public.generation_models m left join genflow.estimates e on e.model_id = m.id order by m.id
  loop
    select result_at into v_newest from genflow.attempts
      where model_id = v_model.id and closed_how = 'delivered' order by model_id desc, result_at desc limit 1;
    continue when not found or v_newest <= v_model.measured_to or v_newest <= v_now - interval '1 day';
    v_changed := v_changed + genflow.measure_model(v_model.id, v_now);
  end loop;
  return v_changed + genflow.mark_queue();
end $$;
comment on function genflow.keep_estimates() is
  'A task of the sweep: measures the models that delivered since the last time, and sets the queue''s milestones. Answers how many rows it touched.';

-- Answering

create function genflow.ready_ahead(
  p_ready_order timestamptz, p_job_id uuid, out counted integer, out estimated double precision, out slot_seconds double precision)
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_head record;
  v_first record;
  v_last record;
  v_more double precision;
begin
  -- In the index's order, or the planner sorts the table.
  select count(*), avg(coalesce(e.slot_seconds, m.expected_seconds)) into counted, slot_seconds
    from (select model_id from public.generation_jobs
        where status = 'queued' and ready_at is not null and (ready_order, id) < (p_ready_order, p_job_id)
        order by ready_order, id limit 100) q
      join public.generation_models m on m.id = q.model_id
      left join genflow.estimates e on e.model_id = q.model_id;
  estimated := counted;
  if counted < 100 then
    return;
  end if;
  -- From the head to the first milestone still ahead of it, from there to the last before the job, from there to the job.
  select ready_order, id into v_head from public.generation_jobs
    where status = 'queued' and ready_at is not null order by ready_order, id limit 1;
  select ready_order, job_id, ahead into v_first from genflow.queue_marks
    where (ready_order, job_id) >= (v_head.ready_order, v_head.id) order by ready_order, job_id limit 1;
  select ready_order, job_id, ahead into v_last from genflow.queue_marks
    where (ready_order, job_id) <= (p_ready_order, p_job_id) order by ready_order desc, job_id desc limit 1;
  if v_first.ahead is null or v_last.ahead is null or v_last.ahead < v_first.ahead then
    return;
  end if;
  select count(*) into v_more from (select 1 from public.generation_jobs
    where status = 'queued' and ready_at is not null and (ready_order, id) < (v_first.ready_order, v_first.job_id)
    order by ready_order, id limit 100) before;
  estimated := v_more + v_last.ahead - v_first.ahead;
  select count(*) into v_more from (select 1 from public.generation_jobs
    where status = 'queued' and ready_at is not null
      and (ready_order, id) >= (v_last.ready_order, v_last.job_id) and (ready_order, id) < (p_ready_order, p_job_id)
    order by ready_order, id limit 100) after;
  if v_more = 100 and v_last.ready_order > v_first.ready_order then
    -- Past the last milestone: as densely as between them.
    v_more := greatest(v_more, extract(epoch from p_ready_order - v_last.ready_order)
      * (v_last.ahead - v_first.ahead) / extract(epoch from v_last.ready_order - v_first.ready_order));
  end if;
  estimated := greatest(counted, estimated + v_more);
end $$;
comment on function genflow.ready_ahead(timestamptz, uuid) is
  'Ready jobs before this place: counted to 100, beyond that estimated by the milestones; and the mean time that one of them takes a slot, null if there is none.';

create function genflow.own_ahead(
  p_user_id uuid, p_ready_order timestamptz, p_created_at timestamptz, p_job_id uuid, p_now timestamptz,
  out counted integer, out estimated double precision, out busy_seconds double precision)
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_from timestamptz;
  v_to timestamptz;
begin
  select count(*) filter (where q.not_before is null or q.not_before <= p_now), count(*),
      avg(coalesce(e.slot_seconds + e.storing_seconds, m.expected_seconds)), min(q.created_at), max(q.created_at)
    into counted, estimated, busy_seconds, v_from, v_to
    from (
      (select not_before, model_id, created_at from public.generation_jobs
        where user_id = p_user_id and status = 'queued' and ready_at is null and ready_order is not null
          and (ready_order, created_at, id) < (coalesce(p_ready_order, 'infinity'), p_created_at, p_job_id)
        order by ready_at, ready_order, created_at, id limit 50)
      union all
      (select not_before, model_id, created_at from public.generation_jobs
        where p_ready_order is null and user_id = p_user_id and status = 'queued' and ready_at is null and ready_order is null
          and (created_at, id) < (p_created_at, p_job_id)
        order by ready_at, ready_order, created_at, id limit 100)) q
      join public.generation_models m on m.id = q.model_id
      left join genflow.estimates e on e.model_id = q.model_id;
  if estimated >= 100 and v_to > v_from then
    -- More than are counted: as many a second as among those.
    estimated := greatest(estimated, estimated * extract(epoch from p_created_at - v_from) / extract(epoch from v_to - v_from));
    estimated := least(estimated, greatest(100, (select coalesce(a.pending_cap, s.user_pending_cap)
      from genflow.settings s, genflow.accounts a where s.singleton and a.user_id = p_user_id)));
  end if;
end $$;
comment on function genflow.own_ahead(uuid, timestamptz, timestamptz, uuid, timestamptz) is
  'The user''s own waiting jobs that get their turn before this one, looked at to 150: those that may run now, all of them by estimate, and how long one keeps its user''s slot.';

create function genflow.provider_room(
  p_slot_seconds double precision, p_now timestamptz,
  out hold_seconds double precision, out seconds_a_slot double precision, out seconds_a_start double precision,
  out slots double precision, out tokens double precision)
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_max_counted constant integer := 200;
  v_provider genflow.provider;
  v_open integer;
begin
  select * into v_provider from genflow.provider where singleton;
  hold_seconds := greatest(0, coalesce(extract(epoch from v_provider.paused_until - p_now), 0),
    coalesce(extract(epoch from v_provider.breaker_open_until - p_now), 0));
  if v_provider.running_cap = 0
    or v_provider.balance_usd < (select min_provider_balance_usd from genflow.settings where singleton) then
    -- Nobody knows until when.
    hold_seconds := 'infinity';
  end if;
  seconds_a_start := 60.0 / v_provider.starts_per_minute;
  seconds_a_slot := p_slot_seconds / greatest(1, v_provider.running_cap);
  -- Of a large account it is enough to know that it is busy: its slots come free many times a second.
  select count(*) into v_open from (
    select 1 from genflow.attempts where closed_at is null limit 200) o;
  slots := case when v_open = v_max_counted and v_provider.running_cap > v_max_counted then 0
    else greatest(0, v_provider.running_cap - v_open) end;
  tokens := genflow.tokens_now(v_provider.start_tokens, v_provider.start_tokens_at, v_provider.start_burst, v_provider.starts_per_minute, p_now);
  -- While nothing is claimed, slots come free and the bucket fills.
  slots := least(v_provider.running_cap, slots + hold_seconds / greatest(seconds_a_slot, 0.001));
  tokens := least(v_provider.start_burst, tokens + hold_seconds / seconds_a_start);
end $$;
comment on function genflow.provider_room(double precision, timestamptz) is
  'How long the provider is on hold (infinity: nobody knows), and then: slots and start tokens at hand, and the seconds until one more of each.';

create function genflow.queued_seconds(p_job public.generation_jobs, p_ready_jobs double precision, p_own_ready integer, p_own_waiting double precision,
  p_slot_seconds double precision, p_busy_seconds double precision, p_now timestamptz)
returns double precision
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_room record;
  v_wait double precision;
  v_turn double precision;
  v_cap integer;
  v_occupied integer;
  v_ends double precision;
begin
  select * into v_room from genflow.provider_room(p_slot_seconds, p_now);
  -- All that is ahead, and the job itself, need a slot and a start each.
  v_wait := v_room.hold_seconds + greatest(0,
    (p_ready_jobs + p_own_waiting + 1 - v_room.slots) * v_room.seconds_a_slot,
    (p_ready_jobs + p_own_waiting + 1 - v_room.tokens) * v_room.seconds_a_start);
  if p_job.ready_at is null then
    v_cap := genflow.running_cap(p_job.user_id);
    if v_cap <= 0 then
      return 'infinity'::double precision;
    end if;
    v_occupied := genflow.occupied_slots(p_job.user_id);
    -- So many of the user's jobs must end first. Each that does not run yet waits for its turn among the others' too.
    v_ends := greatest(0, p_own_waiting + 1 - (v_cap - v_occupied - p_own_ready));
    v_turn := greatest(0, (p_ready_jobs - p_own_ready + 1 - v_room.slots) * v_room.seconds_a_slot,
      (p_ready_jobs - p_own_ready + 1 - v_room.tokens) * v_room.seconds_a_start);
    v_wait := greatest(v_wait, v_room.hold_seconds + v_turn + v_ends * p_busy_seconds / v_cap
      + v_turn * greatest(0, v_ends - v_occupied) / v_cap);
    v_wait := greatest(v_wait, coalesce(extract(epoch from p_job.not_before - p_now), 0)::double precision);
  end if;
  return v_wait;
end $$;
comment on function genflow.queued_seconds(public.generation_jobs, double precision, integer, double precision, double precision, double precision, timestamptz) is
  'Seconds until the job is claimed; infinity if nothing says that it ever will be.';

create or replace function genflow.queue_json(p_job_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_max_position constant integer := 100;
  v_first_id constant uuid := '00000000-0000-0000-0000-000000000000'::uuid;
  v_now timestamptz := genflow.clock();
  v_job public.generation_jobs;
  v record;
  v_ready record;
  v_own record;
  v_own_ready integer := 0;
  v_wait double precision;
begin
  select * into v_job from public.generation_jobs where id = p_job_id;
  select coalesce(e.turn_seconds, m.expected_seconds) as turn_seconds, coalesce(e.slot_seconds, m.expected_seconds) as slot_seconds,
      coalesce(e.storing_seconds, 0) as storing_seconds, s.queue_deadline_seconds
    into v from public.generation_models m left join genflow.estimates e on e.model_id = m.id, genflow.settings s
    where m.id = v_job.model_id and s.singleton;
  if v_job.status <> 'queued' then
    return jsonb_build_object('position', 0, 'exact', true, 'etaSeconds', case
      when v_job.ended_at is not null then 0
      when v_job.status = 'persisting' then greatest(1, round(v.storing_seconds - extract(epoch from v_now - v_job.persisting_at)))
      else greatest(1, round(v.turn_seconds - extract(epoch from v_now - v_job.submitting_at))) end);
  end if;
  if v_job.ready_at is not null then
    select * into v_ready from genflow.ready_ahead(v_job.ready_order, v_job.id);
    v_wait := genflow.queued_seconds(v_job, v_ready.estimated, 0, 0, coalesce(v_ready.slot_seconds, v.slot_seconds), v.slot_seconds, v_now);
  else
    -- Its place among the others is not known yet: at the best the one that it would get now.
    select * into v_ready from genflow.ready_ahead(
      coalesce(v_job.ready_order, genflow.order_of_turn(v_job.user_id, v_now)), case when v_job.ready_order is null then v_first_id else v_job.id end);
    select * into v_own from genflow.own_ahead(v_job.user_id, v_job.ready_order, v_job.created_at, v_job.id, v_now);
    select count(*) into v_own_ready from public.generation_jobs
      where user_id = v_job.user_id and status = 'queued' and ready_at is not null;
    v_wait := genflow.queued_seconds(v_job, v_ready.estimated, v_own_ready, v_own.estimated,
      coalesce(v_ready.slot_seconds, v.slot_seconds), coalesce(v_own.busy_seconds, v.slot_seconds + v.storing_seconds), v_now);
    v_ready.counted := v_ready.counted + v_own.counted;
  end if;
  -- It would end by its deadline in any case.
  v_wait := greatest(0, least(v_wait, extract(epoch from v_job.created_at - v_now)::double precision + v.queue_deadline_seconds));
  return jsonb_build_object('position', least(v_max_position, v_ready.counted),
    'exact', v_job.ready_at is not null and v_ready.counted < v_max_position,
    'etaSeconds', greatest(1, round(v_wait + v.turn_seconds)));
end $$;
comment on function genflow.queue_json(uuid) is
  '{position, exact, etaSeconds}: jobs ahead, exact for a ready job below 100 and a lower bound otherwise; seconds until the pictures are stored. Its cost does not grow with the queue. A job that nothing lets run (a cap of 0, no balance at the provider) is told the time to its queue deadline.';

-- Promotion by the sweep

create or replace function genflow.sweep_promotions() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_max_looked constant integer := 2000;
  v_now timestamptz := genflow.clock();
  v_last uuid := coalesce((select promoted_to from genflow.sweep_state where singleton), '00000000-0000-0000-0000-000000000000');
  v_user_id uuid;
  v_looked integer := 0;
  v_users integer := 0;
  v_through boolean := false;
begin
  while v_users < v_batch and v_looked < v_max_looked loop
    -- One index seek a user, however many jobs each has waiting.
    select user_id into v_user_id from public.generation_jobs
      where status = 'queued' and ready_at is null and user_id > v_last
      order by user_id, ready_at, ready_order, created_at, id limit 1;
    v_through := not found;
    exit when v_through;
    v_looked := v_looked + 1;
    v_last := v_user_id;
    -- A look without the lock may be out of date: then who changed it promotes under the lock, or the next sweep sees it.
    if genflow.promotion_due(v_user_id, v_now) then
      -- Whoever holds the account promotes at his end, or is looked at again in the next sweep; nobody else waits for him.
      perform 1 from genflow.accounts where user_id = v_user_id for no key update skip locked;
      if found then
        perform genflow.promote(v_user_id);
      end if;
      v_users := v_users + 1;
    end if;
  end loop;
  update genflow.sweep_state set promoted_to = case when not v_through then v_last end where singleton;
  return case when v_through then v_users else v_batch end;
end $$;
comment on function genflow.sweep_promotions() is
  'Promotes for the next users in order: delays that ran out, caps that were raised. Locks only who has a slot and a job to put into it. Answers fewer than 100 once it is through.';

create function genflow.promotion_due(p_user_id uuid, p_now timestamptz) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_free integer := genflow.free_slots(p_user_id);
begin
  if v_free > 0 then
    return exists (
      select 1 from public.generation_jobs
        where user_id = p_user_id and status = 'queued' and ready_at is null and (not_before is null or not_before <= p_now)
        order by ready_at, ready_order, created_at, id limit 1);
  end if;
  -- Or a job that comes back to an earlier place than the user's last ready one.
  return v_free = 0 and coalesce(
    (select ready_order from public.generation_jobs
      where user_id = p_user_id and status = 'queued' and ready_at is null and ready_order is not null
        and (not_before is null or not_before <= p_now)
      order by ready_at, ready_order, created_at, id limit 1)
    < (select max(ready_order) from public.generation_jobs
      where user_id = p_user_id and status = 'queued' and ready_at is not null), false);
end $$;
comment on function genflow.promotion_due(uuid, timestamptz) is 'Whether the user has a waiting job whose delay is over and a slot for it, free or held by a job that is later in turn, as far as can be seen without the account''s lock.';

revoke execute on function genflow.measure_model(text, timestamptz), genflow.mark_queue(), genflow.keep_estimates(), genflow.promotion_due(uuid, timestamptz),
  genflow.ready_ahead(timestamptz, uuid), genflow.own_ahead(uuid, timestamptz, timestamptz, uuid, timestamptz),
  genflow.provider_room(double precision, timestamptz),
  genflow.queued_seconds(public.generation_jobs, double precision, integer, double precision, double precision, double precision, timestamptz)
  from public, anon, authenticated, service_role;
