-- Push: one number and one message a transaction and user.
--
-- A row that its owner can see takes the transaction's feed_seq when it changes, by trigger, so that no function
-- can forget it. The message is written when the transaction commits and describes every row that carries that
-- number. Being told is a hint: the app re-reads `seq > last seen` whenever it finds a gap.

create function genflow.take_seq(p_user_id uuid) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_seq bigint;
begin
  update genflow.accounts set feed_seq = feed_seq + 1, feed_xid = pg_catalog.pg_current_xact_id()
    where user_id = p_user_id and feed_xid is distinct from pg_catalog.pg_current_xact_id();
  select feed_seq into strict v_seq from genflow.accounts where user_id = p_user_id;
  return v_seq;
end $$;
comment on function genflow.take_seq(uuid) is 'The number of this transaction in the user''s feed: taken once, then the same until commit.';

create function genflow.stamp_seq() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  new.seq := genflow.take_seq(new.user_id);
  if tg_table_name = 'generation_jobs' then
    new.updated_at := genflow.clock();
  end if;
  return new;
end $$;
comment on function genflow.stamp_seq() is 'Writes the transaction''s number on a row whose owner can see the change.';

create trigger generation_jobs_seq_begin before insert on public.generation_jobs
  for each row execute function genflow.stamp_seq();
create trigger generation_jobs_seq before update on public.generation_jobs
  for each row when (
    (old.status, old.attempts, old.error_code, old.retryable, old.credits_captured, old.submitting_at, old.processing_at, old.persisting_at)
      is distinct from
    (new.status, new.attempts, new.error_code, new.retryable, new.credits_captured, new.submitting_at, new.processing_at, new.persisting_at))
  execute function genflow.stamp_seq();
create trigger generation_images_seq_begin before insert on public.generation_images
  for each row execute function genflow.stamp_seq();
create trigger generation_images_seq before update on public.generation_images
  for each row execute function genflow.stamp_seq();

create function genflow.stamp_balance() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.feed_xid is distinct from pg_catalog.pg_current_xact_id() then
    new.feed_seq := new.feed_seq + 1;
    new.feed_xid := pg_catalog.pg_current_xact_id();
  end if;
  return new;
end $$;
comment on function genflow.stamp_balance() is 'A changed balance is a change its owner can see.';
create trigger accounts_balance before update of balance on genflow.accounts
  for each row when (old.balance is distinct from new.balance) execute function genflow.stamp_balance();

create function genflow.job_json(p_job public.generation_jobs) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_job.id, 'status', p_job.status, 'modelId', p_job.model_id, 'aspectRatio', p_job.aspect_ratio,
    'numImages', p_job.num_images, 'seed', p_job.seed, 'attempts', p_job.attempts,
    'errorCode', p_job.error_code, 'retryable', p_job.retryable,
    'creditsHeld', p_job.credits_held, 'creditsCaptured', p_job.credits_captured,
    'retryOf', p_job.retry_of, 'traceId', p_job.trace_id, 'seq', p_job.seq,
    'createdAt', p_job.created_at, 'updatedAt', p_job.updated_at, 'submittingAt', p_job.submitting_at,
    'processingAt', p_job.processing_at, 'persistingAt', p_job.persisting_at, 'endedAt', p_job.ended_at)
$$;
comment on function genflow.job_json(public.generation_jobs) is 'A job as it crosses the wire: the contract''s GenerationJob. No prompt, no input paths.';

create function genflow.image_json(p_image public.generation_images) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_image.id, 'jobId', p_image.job_id, 'index', p_image.index, 'path', p_image.path, 'thumbPath', p_image.thumb_path,
    'width', p_image.width, 'height', p_image.height, 'bytes', p_image.bytes, 'sha256', p_image.sha256,
    'contentType', p_image.content_type, 'thumbhash', p_image.thumbhash, 'flagged', p_image.flagged,
    'favorite', p_image.favorite, 'createdAt', p_image.created_at, 'deletedAt', p_image.deleted_at, 'seq', p_image.seq)
$$;
comment on function genflow.image_json(public.generation_images) is 'A picture as it crosses the wire: the contract''s GenerationImage.';

create function genflow.push_changes() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  -- realtime.send never raises: it turns its failures into warnings, so a push can be lost but can undo nothing.
  perform realtime.send(
    jsonb_build_object(
      'seq', new.feed_seq,
      'jobs', coalesce((select jsonb_agg(genflow.job_json(j) order by j.created_at, j.id)
        from public.generation_jobs j where j.user_id = new.user_id and j.seq = new.feed_seq), '[]'),
      'images', coalesce((select jsonb_agg(genflow.image_json(i) order by i.job_id, i.index)
        from public.generation_images i where i.user_id = new.user_id and i.seq = new.feed_seq), '[]'),
      'account', (select jsonb_build_object('balance', a.balance, 'seq', a.feed_seq)
        from genflow.accounts a where a.user_id = new.user_id)),
    'change', 'generations:' || new.user_id, true);
  return null;
end $$;
comment on function genflow.push_changes() is 'Runs at commit, once a transaction and user: tells the user''s private topic what carries the new number.';

create constraint trigger accounts_push after update on genflow.accounts
  deferrable initially deferred
  for each row when (old.feed_seq is distinct from new.feed_seq) execute function genflow.push_changes();

create policy "owners hear of their generations" on realtime.messages
  for select to authenticated
  using (realtime.messages.extension = 'broadcast'
    and (select realtime.topic()) = 'generations:' || (select auth.uid())::text);

revoke execute on function genflow.take_seq(uuid), genflow.stamp_seq(), genflow.stamp_balance(), genflow.push_changes(),
  genflow.job_json(public.generation_jobs), genflow.image_json(public.generation_images)
  from public, anon, authenticated, service_role;
