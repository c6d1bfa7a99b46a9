-- Thumbnails and placeholders: best effort, after a job is completed, apart from it. Decoding may kill the process that
-- does it, so a try is counted before it begins; a lost process costs that try and nothing else. Each picture's thumbnail
-- has one path for good: what a lost try has left there is what the next one would store, and one purge finds it.

alter table genflow.settings
  -- 2048 x 2048 in WebP, the slowest of the formats, takes a cold function under 0.8 s of the 2 s that kill it.
  add column thumbnail_max_pixels integer not null default 4194304 check (thumbnail_max_pixels > 0),
  add column thumbnail_max_bytes integer not null default 24000000 check (thumbnail_max_bytes > 0),
  add column thumbnail_tries smallint not null default 3 check (thumbnail_tries >= 0),
  add column thumbnail_retry_seconds integer not null default 60 check (thumbnail_retry_seconds >= 0);
comment on column genflow.settings.thumbnail_max_pixels is 'Larger pictures get no thumbnail: decoding them could take more CPU time or memory than a function has.';
comment on column genflow.settings.thumbnail_retry_seconds is 'After the first try; after the second twice as long, and so on.';

create table genflow.thumbnails (
  image_id uuid primary key references public.generation_images (id) on delete cascade,
  thumb_path text not null,
  tries smallint not null default 0,
  due_at timestamptz,
  claim_id uuid,
  outcome text
);
comment on table genflow.thumbnails is 'Each completed picture''s thumbnail, made or not. Owners see only what it came to, on the picture.';
comment on column genflow.thumbnails.thumb_path is 'Object name in the bucket generations, the same in every try.';
comment on column genflow.thumbnails.tries is 'Counted when a try is handed out.';
comment on column genflow.thumbnails.due_at is 'The next try; null once there is an outcome or no try is left.';
comment on column genflow.thumbnails.outcome is 'made, or why there will be none: too_large, or what the decoder said. Null with no try left: given up.';
create index thumbnails_due on genflow.thumbnails (due_at, image_id) where due_at is not null;
create index thumbnails_claim on genflow.thumbnails (claim_id) where claim_id is not null;
revoke all on table genflow.thumbnails from public, anon, authenticated, service_role;

create function genflow.thumb_path(p_path text) returns text
language plpgsql immutable security definer set search_path = ''
as $$
begin
  return p_path || '-thumb';
end $$;
comment on function genflow.thumb_path(text) is 'Where the thumbnail of the picture at this path is, if it has one.';

create function genflow.want_thumbnails(p_job_id uuid) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_rows integer;
begin
  insert into genflow.thumbnails (image_id, thumb_path, due_at, outcome)
    select i.id, genflow.thumb_path(i.path), case when not f.too_large and s.thumbnail_tries > 0 then genflow.clock() end,
      case when f.too_large then 'too_large' end
    from genflow.settings s, public.generation_images i,
      lateral (select i.width::bigint * i.height > s.thumbnail_max_pixels or i.bytes > s.thumbnail_max_bytes as too_large) f
    where s.singleton and i.job_id = p_job_id and i.deleted_at is null
    on conflict (image_id) do nothing;
  get diagnostics v_rows = row_count;
  return v_rows;
end $$;
comment on function genflow.want_thumbnails(uuid) is 'Thumbnails of a completed job''s pictures are due from now on; what is recorded as too large is given up at once.';

create or replace function genflow.finish_job(p_job_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job record;
  v_images integer;
begin
  select credits_per_image, persisting_at into v_job from public.generation_jobs where id = p_job_id;
  select count(*) into v_images from public.generation_images where job_id = p_job_id;
  update genflow.attempts set next_persist_at = null where job_id = p_job_id and next_persist_at is not null;
  if v_images > 0 then
    perform genflow.end_job(p_job_id, 'completed', v_job.credits_per_image * v_images, null, jsonb_build_object('images', v_images));
    perform genflow.want_thumbnails(p_job_id);
  elsif v_job.persisting_at + make_interval(secs => (select persist_deadline_seconds from genflow.settings where singleton)) <= genflow.clock() then
    perform genflow.fail_job(p_job_id, 'storage_timeout');
  elsif not genflow.store_another(p_job_id) then
    perform genflow.fail_job(p_job_id, 'outputs_unusable');
  end if;
end $$;

create function public.claim_thumbnails(p_claim_id uuid, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
  v_settings genflow.settings;
begin
  select * into v_settings from genflow.settings where singleton;
  if not exists (select 1 from genflow.thumbnails where claim_id = p_claim_id) then
    -- No account's lock: a claim changes nothing that its owner can see, and a deletion waits for this row.
    update genflow.thumbnails
      set claim_id = p_claim_id, tries = tries + 1,
        due_at = case when tries + 1 < v_settings.thumbnail_tries
          then v_now + make_interval(secs => v_settings.thumbnail_retry_seconds * (tries + 1)) end
      where image_id in (
        select image_id from genflow.thumbnails where due_at <= v_now and due_at > v_now - interval '7 days'
          order by due_at desc, image_id desc limit p_limit for no key update skip locked);
  end if;
  return jsonb_build_object('thumbnails', (
    select coalesce(jsonb_agg(jsonb_build_object('imageId', i.id, 'jobId', i.job_id, 'index', i.index, 'traceId', j.trace_id,
        'path', i.path, 'thumbPath', t.thumb_path, 'maxPixels', v_settings.thumbnail_max_pixels) order by i.id), '[]')
    from genflow.thumbnails t
      join public.generation_images i on i.id = t.image_id
      join public.generation_jobs j on j.id = i.job_id
    where t.claim_id = p_claim_id and t.outcome is null and i.deleted_at is null));
end $$;
comment on function public.claim_thumbnails(uuid, integer) is
  'Up to p_limit pictures to draw small now, newest first, since somebody is looking at it. Each costs a try at once and is due again later while it has tries left. What nobody came for in a week stays without.';

create function public.record_thumbnail(p_image_id uuid, p_thumbnail jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job_id uuid;
  v_outcome text := coalesce(p_thumbnail ->> 'failure', 'made');
  v_thumb_path text;
begin
  select job_id into v_job_id from public.generation_images where id = p_image_id;
  if v_job_id is null or not genflow.lock_job(v_job_id) then
    return jsonb_build_object('recorded', false);
  end if;
  -- The first outcome counts, from whichever try; a deleted picture gets none, and its purge is under way.
  update genflow.thumbnails t set outcome = v_outcome, due_at = null
    from public.generation_images i
    where t.image_id = p_image_id and t.outcome is null and i.id = t.image_id and i.deleted_at is null
    returning t.thumb_path into v_thumb_path;
  if found and v_outcome = 'made' then
    update public.generation_images set thumb_path = v_thumb_path, thumbhash = p_thumbnail ->> 'thumbhash' where id = p_image_id;
  end if;
  return jsonb_build_object('recorded', exists (
    select 1 from genflow.thumbnails where image_id = p_image_id and outcome = v_outcome));
end $$;
comment on function public.record_thumbnail(uuid, jsonb) is
  '{thumbhash}: it is stored under its path, and the picture shows it from now on; or {failure}: there will be none. recorded is false if the picture is gone or had another outcome before.';

-- Whoever was drawing while the picture was deleted may still store its thumbnail: so that is removed a second time,
-- when nobody who had begun before can be alive.
create or replace function public.delete_images(p_image_ids uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_max_images constant integer := 100;
  v_user_id uuid := genflow.caller();
  v_now timestamptz;
  v_deleted uuid[];
begin
  if coalesce(cardinality(p_image_ids), 0) not between 1 and v_max_images then
    raise exception 'name 1 to % pictures', v_max_images using errcode = 'PT400', hint = 'invalid_request';
  end if;
  perform genflow.lock_account(v_user_id);
  v_now := genflow.clock();
  if exists (
    select 1 from public.generation_images i join public.generation_jobs j on j.id = i.job_id
      where i.id = any (p_image_ids) and i.user_id = v_user_id and j.ended_at is null
  ) then
    raise exception 'a picture''s job is still being stored' using errcode = 'PT409', hint = 'job_still_running';
  end if;
  with gone as (
    update public.generation_images set deleted_at = v_now
      where id = any (p_image_ids) and user_id = v_user_id and deleted_at is null
      returning id, job_id, path
  ), purges as (
    insert into genflow.storage_purges (bucket_id, path, job_id, reason, due_at, rounds_left)
      select 'generations', p.path, gone.job_id, 'deleted', v_now, p.rounds
      from gone, lateral (values (gone.path, 1), (genflow.thumb_path(gone.path), 2)) p (path, rounds)
  )
  select array_agg(id) into v_deleted from gone;
  update genflow.thumbnails set due_at = null where image_id = any (v_deleted) and due_at is not null;
  return jsonb_build_object('deleted', coalesce(to_jsonb(v_deleted), '[]'::jsonb));
end $$;

create or replace function genflow.http_work() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_now timestamptz := genflow.clock();
begin
  return jsonb_build_object(
    'ready', (select count(*) from (select 1 from public.generation_jobs
      where status = 'queued' and ready_at is not null and (select genflow.claimable(1)) > 0 limit 100) r),
    'polls', (select count(*) from (
      select 1 from genflow.attempts where closed_at is null and task_id is not null and next_poll_at <= v_now limit 100) p),
    'listings', (select count(*) from (select 1 from genflow.attempts a
      where a.closed_at is null and a.task_id is null and a.lease_expires_at <= v_now and genflow.listing_due(a, v_now) limit 100) l),
    'persists', (select count(*) from (select 1 from genflow.attempts where next_persist_at <= v_now limit 100) s),
    'thumbnails', (select count(*) from (
      select 1 from genflow.thumbnails where due_at <= v_now and due_at > v_now - interval '7 days' limit 100) d),
    'purges', (select count(*) from (select 1 from genflow.storage_purges where done_at is null and due_at <= v_now limit 100) u),
    'balance', (select count(*) from genflow.settings g, genflow.provider b where g.singleton and b.singleton
      and g.min_provider_balance_usd is not null and coalesce(b.balance_at <= v_now
        - make_interval(mins => case when b.balance_usd < g.min_provider_balance_usd then 1 else 15 end), true)));
end $$;
comment on function public.http_work_due() is
  'What is due for the sweep function, counted to 100 a kind: {ready, polls, listings, persists, thumbnails, purges, balance}.';

-- Pictures from before.
do $$
begin
  perform genflow.want_thumbnails(id) from public.generation_jobs where status = 'completed';
end $$;

do $$
declare
  v_function text;
begin
  foreach v_function in array array['public.claim_thumbnails(uuid, integer)', 'public.record_thumbnail(uuid, jsonb)',
    'public.delete_images(uuid[])', 'genflow.http_work()']
  loop
    execute format('alter function %s set enable_seqscan = off', v_function);
    execute format('alter function %s set enable_bitmapscan = off', v_function);
    execute format('alter function %s set plan_cache_mode = force_generic_plan', v_function);
  end loop;
end $$;

revoke execute on function genflow.thumb_path(text), genflow.want_thumbnails(uuid),
  public.claim_thumbnails(uuid, integer), public.record_thumbnail(uuid, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.claim_thumbnails(uuid, integer), public.record_thumbnail(uuid, jsonb) to service_role;
