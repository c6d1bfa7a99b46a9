-- my_account: a look at one's own account no longer waits for what is being done in it.

create or replace function public.my_account() returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_user_id uuid := genflow.caller();
  v_pending_cap integer;
begin
  if not exists (select 1 from genflow.accounts where user_id = v_user_id and sign_up_granted_at is not null) then
    perform genflow.lock_account(v_user_id);
    perform genflow.grant_sign_up(v_user_id);
  end if;
  select coalesce(a.pending_cap, s.user_pending_cap) into v_pending_cap
    from genflow.accounts a, genflow.settings s where a.user_id = v_user_id and s.singleton;
  return (
    select jsonb_build_object('balance', a.balance, 'seq', a.feed_seq,
      'running', genflow.occupied_slots(v_user_id), 'runningCap', genflow.running_cap(v_user_id),
      'pending', genflow.pending_jobs(v_user_id, greatest(v_pending_cap, 100)), 'pendingCap', v_pending_cap)
    from genflow.accounts a where a.user_id = v_user_id);
end $$;
