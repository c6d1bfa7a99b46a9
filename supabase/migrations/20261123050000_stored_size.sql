-- A picture counts once Storage has all of it, by Storage's own count in the object's row: asked where the picture is
-- recorded, so that no worker can forget to ask and none needs a request of its own for it.

create or replace function public.record_image(p_attempt_id uuid, p_lease_token uuid, p_image jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  v_job record;
  v_now timestamptz;
  v_index integer := (p_image ->> 'index')::integer;
  v_bytes bigint := (p_image ->> 'bytes')::bigint;
  v_path text;
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('recorded', false);
  end if;
  select j.id, j.user_id, j.status, a.number into v_job
    from genflow.attempts a join public.generation_jobs j on j.id = a.job_id where a.id = p_attempt_id;
  v_path := genflow.image_path(v_job.user_id, v_job.id, v_index, p_lease_token);
  if exists (select 1 from public.generation_images where job_id = v_job.id and index = v_index) then
    return jsonb_build_object('recorded', exists (select 1 from public.generation_images where path = v_path));
  elsif v_job.status <> 'persisting' then
    return jsonb_build_object('recorded', false);
  elsif not exists (
    select 1 from storage.objects
      where bucket_id = 'generations' and name = v_path and (metadata ->> 'size')::bigint = v_bytes
  ) then
    -- An upload of unknown length that was cut on its way looks whole to Storage. Its remains are purged as a loser's.
    return jsonb_build_object('recorded', false, 'reason', 'upload_short');
  end if;
  -- The stored picture is a fact even after its lease; it counts unless its removal has begun.
  delete from genflow.storage_purges where bucket_id = 'generations' and path = v_path and started_at is null;
  if not found then
    return jsonb_build_object('recorded', false);
  end if;
  v_now := genflow.clock();
  insert into public.generation_images (job_id, user_id, index, path, width, height, bytes, sha256, content_type, flagged, created_at)
    values (v_job.id, v_job.user_id, v_index, v_path, (p_image ->> 'width')::integer, (p_image ->> 'height')::integer,
      v_bytes, p_image ->> 'sha256', p_image ->> 'contentType', coalesce((p_image ->> 'flagged')::boolean, false), v_now);
  insert into public.generation_events (job_id, user_id, at, event, status, attempt, detail)
    values (v_job.id, v_job.user_id, v_now, 'image_stored', v_job.status, v_job.number, jsonb_build_object('index', v_index));
  return jsonb_build_object('recorded', true);
end $$;
comment on function public.record_image(uuid, uuid, jsonb) is
  'Notes a stored picture, if Storage counts as many bytes as were sent: a fact, kept even after its lease. The same picture again is no second one. Answers recorded, and why not: reason upload_short, or none where the lease or the job is over.';
