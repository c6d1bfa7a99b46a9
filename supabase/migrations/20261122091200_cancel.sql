-- cancel_generation: by owner, at any time, repeatable.

create function public.cancel_generation(p_user_id uuid, p_job_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job public.generation_jobs;
  v_attempt genflow.attempts;
  v_released integer;
begin
  if not exists (select 1 from public.generation_jobs where id = p_job_id and user_id = p_user_id) then
    return genflow.refusal('job_not_found');
  end if;
  perform genflow.lock_job(p_job_id);
  select * into v_job from public.generation_jobs where id = p_job_id;
  if v_job.status in ('queued', 'submitting', 'unknown', 'processing') then
    update public.generation_jobs
      set status = 'canceled', ended_at = genflow.clock(), ready_at = null, not_before = null
      where id = p_job_id;
    perform genflow.add_event(p_job_id, 'canceled');
    for v_attempt in select * from genflow.attempts where job_id = p_job_id and closed_at is null and send_id is null loop
      perform genflow.close_attempt(v_attempt.id, 'never_sent');
    end loop;
    perform genflow.close_hold_of_canceled(p_job_id);
    perform genflow.promote(p_user_id);
  end if;
  select * into v_job from public.generation_jobs where id = p_job_id;
  select amount into v_released from public.credit_entries where job_id = p_job_id and kind = 'close';
  return jsonb_build_object('ok', true, 'job', genflow.job_json(v_job),
    'outcome', case v_job.status when 'canceled' then 'canceled' when 'persisting' then 'too_late' else 'already_ended' end,
    'refund', case when v_released > 0 then 'released' when v_released is null and v_job.status = 'canceled' then 'pending' else 'none' end,
    'tellTaskIds', case when v_job.status = 'canceled' and (select tell_provider_on_cancel from genflow.settings where singleton)
      then coalesce((select jsonb_agg(task_id) from genflow.attempts where job_id = p_job_id and closed_at is null and task_id is not null), '[]')
      else '[]' end);
end $$;
comment on function public.cancel_generation(uuid, uuid) is
  'Ends the job at once unless its picture is already being stored. What the provider may still deliver keeps the hold open ("pending"). tellTaskIds is empty unless the setting says to tell the provider.';

revoke execute on function public.cancel_generation(uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.cancel_generation(uuid, uuid) to service_role;
