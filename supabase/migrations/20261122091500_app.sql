-- What the app may call itself, always as auth.uid(). Errors name a code of the contract's catalogue in `hint`
-- and choose their HTTP status by the API's PTxxx convention.

create function genflow.caller() returns uuid
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_user_id uuid := (select auth.uid());
begin
  if v_user_id is null then
    raise exception 'sign in first' using errcode = 'PT401', hint = 'unauthorized';
  end if;
  return v_user_id;
end $$;
comment on function genflow.caller() is 'Who calls; refuses a call without a user.';

create function public.my_account() returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid := genflow.caller();
begin
  perform genflow.lock_account(v_user_id);
  perform genflow.grant_sign_up(v_user_id);
  return (
    select jsonb_build_object('balance', a.balance, 'seq', a.feed_seq,
      'running', genflow.occupied_slots(v_user_id), 'runningCap', genflow.running_cap(v_user_id),
      'pending', (select count(*) from public.generation_jobs where user_id = v_user_id and ended_at is null),
      'pendingCap', coalesce(a.pending_cap, (select user_pending_cap from genflow.settings where singleton)))
    from genflow.accounts a where a.user_id = v_user_id);
end $$;
comment on function public.my_account() is 'The caller''s balance, last feed number, and slots. Makes the account (and its sign-up grant) at the first call.';

create function public.queue_position(p_job_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  if not exists (select 1 from public.generation_jobs where id = p_job_id and user_id = genflow.caller()) then
    raise exception 'no such job' using errcode = 'PT404', hint = 'job_not_found';
  end if;
  return genflow.queue_json(p_job_id);
end $$;
comment on function public.queue_position(uuid) is '{position, exact, etaSeconds} of the caller''s job.';

create function public.set_favorite(p_image_id uuid, p_favorite boolean) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_image public.generation_images;
begin
  perform genflow.lock_account(genflow.caller());
  update public.generation_images set favorite = p_favorite
    where id = p_image_id and user_id = genflow.caller() and deleted_at is null and favorite is distinct from p_favorite;
  select * into v_image from public.generation_images
    where id = p_image_id and user_id = genflow.caller() and deleted_at is null;
  if not found then
    raise exception 'no such picture' using errcode = 'PT404', hint = 'image_not_found';
  end if;
  return genflow.image_json(v_image);
end $$;
comment on function public.set_favorite(uuid, boolean) is 'Marks the caller''s picture, or takes the mark off; answers the picture.';

create function public.delete_images(p_image_ids uuid[]) returns jsonb
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
      returning id, job_id, path, thumb_path
  ), purges as (
    insert into genflow.storage_purges (bucket_id, path, job_id, reason, due_at)
      select 'generations', p, gone.job_id, 'deleted', v_now
      from gone, unnest(array_remove(array[gone.path, gone.thumb_path], null)) p
  )
  select array_agg(id) into v_deleted from gone;
  return jsonb_build_object('deleted', coalesce(to_jsonb(v_deleted), '[]'::jsonb));
end $$;
comment on function public.delete_images(uuid[]) is
  'Deletes up to 100 of the caller''s pictures: gone from the profile at once, their files soon after. Foreign, unknown and deleted ids are passed over.';

revoke execute on function genflow.caller() from public, anon, authenticated, service_role;
revoke execute on function public.my_account(), public.queue_position(uuid), public.set_favorite(uuid, boolean), public.delete_images(uuid[])
  from public, anon, authenticated, service_role;
grant execute on function public.my_account(), public.queue_position(uuid), public.set_favorite(uuid, boolean), public.delete_images(uuid[])
  to authenticated;
