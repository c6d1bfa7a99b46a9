-- Corrections of the ledger, and what a low balance at the provider means.

create function public.adjust_credits(p_user_id uuid, p_credits integer, p_reference text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_adjusted integer;
  v_balance integer;
begin
  if p_user_id is null or coalesce(p_credits, 0) = 0 or coalesce(p_reference, '') = '' then
    raise exception 'adjust_credits needs a user id, a number of credits other than 0 and a reference' using errcode = '22023';
  end if;
  perform genflow.lock_account(p_user_id);
  select amount into v_adjusted from public.credit_entries
    where user_id = p_user_id and reference = p_reference and kind in ('grant', 'adjust');
  if v_adjusted <> p_credits then
    raise exception 'the reference was already used for another amount' using errcode = '22023';
  end if;
  select balance into v_balance from genflow.accounts where user_id = p_user_id;
  if v_adjusted is null then
    if v_balance + p_credits < 0 then
      return genflow.refusal('insufficient_credits', jsonb_build_object('balance', v_balance, 'price', -p_credits));
    end if;
    perform genflow.add_entry(p_user_id, 'adjust', p_credits, null, p_reference, null);
  end if;
  return jsonb_build_object('ok', true, 'adjusted', p_credits, 'replay', v_adjusted is not null,
    'balance', (select balance from genflow.accounts where user_id = p_user_id));
end $$;
comment on function public.adjust_credits(uuid, integer, text) is
  'Corrects a balance up or down once a reference (a refunded payment, a ticket). Refused where the balance does not cover it: credits that a job holds are not at hand.';

revoke execute on function public.adjust_credits(uuid, integer, text) from public, anon, authenticated, service_role;
grant execute on function public.adjust_credits(uuid, integer, text) to service_role;

-- A pause for a low balance is over when the balance is known to be higher, so it is asked for more often meanwhile.
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
    'purges', (select count(*) from (select 1 from genflow.storage_purges where done_at is null and due_at <= v_now limit 100) u),
    'balance', (select count(*) from genflow.settings g, genflow.provider b where g.singleton and b.singleton
      and g.min_provider_balance_usd is not null and coalesce(b.balance_at <= v_now
        - make_interval(mins => case when b.balance_usd < g.min_provider_balance_usd then 1 else 15 end), true)));
end $$;
