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
