-- What every change passes through on its way to the profile: its number, its event, its message.

create or replace function genflow.take_seq(p_user_id uuid) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_seq bigint;
begin
  update genflow.accounts set feed_seq = feed_seq + 1, feed_xid = pg_catalog.pg_current_xact_id()
    where user_id = p_user_id and feed_xid is distinct from pg_catalog.pg_current_xact_id()
    returning feed_seq into v_seq;
  if not found then
    select feed_seq into strict v_seq from genflow.accounts where user_id = p_user_id;
  end if;
  return v_seq;
end $$;

-- One trigger for what each change of a job must keep: its row sound, its edge legal, its number taken. As CHECK
-- constraints the first would be read from their text at each statement, and a row that fails one is printed.
create function genflow.change_job() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    if new.status <> 'queued' then
      raise exception 'a job begins as queued, not as %', new.status using errcode = 'check_violation';
    end if;
  elsif new.status <> old.status and not exists (
    select 1 from genflow.transitions where from_status = old.status and to_status = new.status
  ) then
    raise exception 'a job cannot go from % to %', old.status, new.status using errcode = 'check_violation';
  end if;
  if (new.status in ('completed', 'failed', 'canceled')) <> (new.ended_at is not null)
    or (new.status = 'failed') <> (new.error_code is not null)
    or new.ready_at is not null and new.status <> 'queued'
    or new.num_images <= 0 or new.credits_per_image <= 0 or new.credits_held <= 0
    or new.credits_captured not between 0 and new.credits_held then
    raise exception 'job % is not sound: its status, end, error, turn or credits do not go together', new.id using errcode = 'check_violation';
  end if;
  if tg_op = 'UPDATE' and
    (old.status, old.attempts, old.error_code, old.retryable, old.credits_captured, old.submitting_at, old.processing_at, old.persisting_at)
      is not distinct from
    (new.status, new.attempts, new.error_code, new.retryable, new.credits_captured, new.submitting_at, new.processing_at, new.persisting_at) then
    -- Nothing that its owner can see. Asked here and not in a WHEN clause, which is read from its text at each statement too.
    return new;
  end if;
  new.seq := genflow.take_seq(new.user_id);
  new.updated_at := genflow.clock();
  return new;
end $$;
comment on function genflow.change_job() is
  'Refuses a row whose parts do not go together and every edge that genflow.transitions does not name; writes the transaction''s number on a job whose owner can see the change.';

drop trigger generation_jobs_begin on public.generation_jobs;
drop trigger generation_jobs_transition on public.generation_jobs;
drop trigger generation_jobs_seq_begin on public.generation_jobs;
drop trigger generation_jobs_seq on public.generation_jobs;
drop function genflow.guard_transition();
alter table public.generation_jobs
  drop constraint generation_jobs_check, drop constraint generation_jobs_check1, drop constraint generation_jobs_check2,
  drop constraint generation_jobs_check3, drop constraint generation_jobs_credits_held_check,
  drop constraint generation_jobs_credits_per_image_check, drop constraint generation_jobs_num_images_check;
create trigger generation_jobs_begin before insert on public.generation_jobs
  for each row execute function genflow.change_job();
create trigger generation_jobs_change before update on public.generation_jobs
  for each row execute function genflow.change_job();

create or replace function genflow.stamp_seq() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  new.seq := genflow.take_seq(new.user_id);
  return new;
end $$;

create or replace function genflow.job_json(p_job public.generation_jobs) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  return jsonb_build_object(
    'id', p_job.id, 'status', p_job.status, 'modelId', p_job.model_id, 'aspectRatio', p_job.aspect_ratio,
    'numImages', p_job.num_images, 'seed', p_job.seed, 'attempts', p_job.attempts,
    'errorCode', p_job.error_code, 'retryable', p_job.retryable,
    'creditsHeld', p_job.credits_held, 'creditsCaptured', p_job.credits_captured,
    'retryOf', p_job.retry_of, 'traceId', p_job.trace_id, 'seq', p_job.seq,
    'createdAt', p_job.created_at, 'updatedAt', p_job.updated_at, 'submittingAt', p_job.submitting_at,
    'processingAt', p_job.processing_at, 'persistingAt', p_job.persisting_at, 'endedAt', p_job.ended_at);
end $$;

create or replace function genflow.image_json(p_image public.generation_images) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  return jsonb_build_object(
    'id', p_image.id, 'jobId', p_image.job_id, 'index', p_image.index, 'path', p_image.path, 'thumbPath', p_image.thumb_path,
    'width', p_image.width, 'height', p_image.height, 'bytes', p_image.bytes, 'sha256', p_image.sha256,
    'contentType', p_image.content_type, 'thumbhash', p_image.thumbhash, 'flagged', p_image.flagged,
    'favorite', p_image.favorite, 'createdAt', p_image.created_at, 'deletedAt', p_image.deleted_at, 'seq', p_image.seq);
end $$;

create or replace function genflow.add_event(p_job_id uuid, p_event text, p_attempt smallint default null, p_detail jsonb default '{}')
returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  insert into public.generation_events (job_id, user_id, at, event, status, attempt, detail)
  select id, user_id, genflow.clock(), p_event, status, p_attempt, p_detail from public.generation_jobs where id = p_job_id;
end $$;

revoke execute on function genflow.change_job() from public, anon, authenticated, service_role;
