-- Accounts and the ledger.
--
-- An account row orders all that a user does: every change of a user's jobs, money or pictures happens under its
-- lock. Locks are always taken in the order accounts (ascending user id), generation_jobs, attempts, provider,
-- spend; and what a lock protects is read in a later statement than the one that took it, because a statement's
-- snapshot is older than its wait.

create table genflow.priority_classes (
  name text primary key,
  head_start_seconds integer not null check (head_start_seconds between 0 and 300)
);
comment on table genflow.priority_classes is
  'Priority is a bounded head start in the queue. It comes from the account, never from the client.';
insert into genflow.priority_classes (name, head_start_seconds) values ('standard', 0), ('plus', 60), ('pro', 180);

create table genflow.accounts (
  user_id uuid primary key,
  balance integer not null default 0 check (balance >= 0),
  priority_class text not null default 'standard' references genflow.priority_classes (name),
  running_cap integer check (running_cap >= 0),
  pending_cap integer check (pending_cap >= 0),
  start_tokens double precision not null default 0 check (start_tokens >= 0),
  start_tokens_at timestamptz not null default '-infinity',
  sign_up_granted_at timestamptz,
  feed_seq bigint not null default 0,
  feed_xid xid8,
  created_at timestamptz not null default genflow.clock()
);
create index accounts_class on genflow.accounts (priority_class) where priority_class <> 'standard';
comment on table genflow.accounts is
  'One row a user, made at the first need. No foreign key to auth.users: deleting a user in the dashboard must always work.';
comment on column genflow.accounts.balance is 'Credits at hand: always the sum of the user''s credit_entries.amount.';
comment on column genflow.accounts.running_cap is 'Overrides settings.user_running_cap for this user; null = the setting.';
comment on column genflow.accounts.feed_seq is 'Number of the last change this user could see; one a transaction, without gaps.';
comment on column genflow.accounts.feed_xid is 'The transaction that took feed_seq: what else it changes carries the same number.';

create table public.credit_entries (
  id bigint generated always as identity primary key,
  user_id uuid not null,
  kind text not null check (kind in ('grant', 'adjust', 'reserve', 'close')),
  amount integer not null,
  captured integer,
  job_id uuid,
  reference text,
  created_at timestamptz not null default genflow.clock(),
  constraint credit_entries_shape check (
    case kind
      when 'grant' then amount > 0 and job_id is null and reference is not null and captured is null
      when 'adjust' then amount <> 0 and job_id is null and reference is not null and captured is null
      when 'reserve' then amount < 0 and job_id is not null and reference is null and captured is null
      else amount >= 0 and job_id is not null and reference is null and captured >= 0
    end)
);
comment on table public.credit_entries is
  'The ledger: append-only. grant +n, adjust +-n, reserve -n at the start of a job, close +released when its hold ends.';
comment on column public.credit_entries.captured is 'On a close: what the job cost in the end; captured + amount = what was held.';
comment on column public.credit_entries.reference is 'On a grant or adjust: the outside event (a payment, a ticket); it counts once.';

create unique index credit_entries_one_reserve on public.credit_entries (job_id) where kind = 'reserve';
create unique index credit_entries_one_close on public.credit_entries (job_id) where kind = 'close';
create unique index credit_entries_one_reference on public.credit_entries (user_id, reference) where kind in ('grant', 'adjust');
create index credit_entries_of_user on public.credit_entries (user_id, id desc);

alter table public.credit_entries enable row level security;
create policy "owners read their ledger" on public.credit_entries
  for select to authenticated using (user_id = (select auth.uid()));
comment on policy "owners read their ledger" on public.credit_entries is 'Nobody writes the ledger through the API.';

revoke all on table public.credit_entries from public, anon, authenticated, service_role;
revoke all on sequence public.credit_entries_id_seq from public, anon, authenticated, service_role;
grant select on table public.credit_entries to authenticated, service_role;
revoke all on table genflow.accounts, genflow.priority_classes from public, anon, authenticated, service_role;

create function genflow.refuse_change() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
comment on function genflow.refuse_change() is 'Keeps an append-only table append-only, whoever asks.';

create trigger credit_entries_append_only before update or delete on public.credit_entries
  for each row execute function genflow.refuse_change();

create function genflow.lock_account(p_user_id uuid) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  perform 1 from genflow.accounts where user_id = p_user_id for no key update;
  if not found then
    insert into genflow.accounts (user_id) values (p_user_id) on conflict (user_id) do nothing;
    perform 1 from genflow.accounts where user_id = p_user_id for no key update;
  end if;
end $$;
comment on function genflow.lock_account(uuid) is 'Takes the lock that orders all a user does; makes the account if there is none.';

create function genflow.add_entry(p_user_id uuid, p_kind text, p_amount integer, p_job_id uuid, p_reference text, p_captured integer)
returns void
language plpgsql security definer set search_path = ''
as $$
begin
  insert into public.credit_entries (user_id, kind, amount, job_id, reference, captured)
  values (p_user_id, p_kind, p_amount, p_job_id, p_reference, p_captured);
  if p_amount <> 0 then
    update genflow.accounts set balance = balance + p_amount where user_id = p_user_id;
  end if;
end $$;
comment on function genflow.add_entry(uuid, text, integer, uuid, text, integer) is
  'The one way into the ledger: entry and balance in one step. The caller holds the account''s lock.';

create function genflow.grant_sign_up(p_user_id uuid) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_credits integer;
begin
  if exists (select 1 from genflow.accounts where user_id = p_user_id and sign_up_granted_at is not null) then
    return;
  end if;
  -- Anonymous and unconfirmed users cost nothing to make, so they are granted nothing.
  if not exists (
    select 1 from auth.users
    where id = p_user_id and not coalesce(is_anonymous, false)
      and coalesce(email_confirmed_at, phone_confirmed_at) is not null
  ) then
    return;
  end if;
  select sign_up_grant_credits into v_credits from genflow.settings where singleton;
  update genflow.accounts set sign_up_granted_at = genflow.clock() where user_id = p_user_id;
  if v_credits > 0 then
    perform genflow.add_entry(p_user_id, 'grant', v_credits, null, 'sign-up', null);
  end if;
end $$;
comment on function genflow.grant_sign_up(uuid) is 'Once a confirmed user: the credits to begin with. The caller holds the account''s lock.';

create function public.grant_credits(p_user_id uuid, p_credits integer, p_reference text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_granted integer;
begin
  if p_user_id is null or coalesce(p_credits, 0) <= 0 or coalesce(p_reference, '') = '' then
    raise exception 'grant_credits needs a user id, a positive number of credits and a reference' using errcode = '22023';
  end if;
  perform genflow.lock_account(p_user_id);
  select amount into v_granted from public.credit_entries
    where user_id = p_user_id and reference = p_reference and kind in ('grant', 'adjust');
  if v_granted is not null and v_granted <> p_credits then
    raise exception 'the reference was already used for another amount' using errcode = '22023';
  end if;
  if v_granted is null then
    perform genflow.add_entry(p_user_id, 'grant', p_credits, null, p_reference, null);
  end if;
  return jsonb_build_object('granted', p_credits, 'replay', v_granted is not null,
    'balance', (select balance from genflow.accounts where user_id = p_user_id));
end $$;
comment on function public.grant_credits(uuid, integer, text) is
  'Adds credits once a reference (a payment, a ticket). The same call again changes nothing and answers replay = true.';

revoke execute on function genflow.refuse_change(), genflow.lock_account(uuid), genflow.grant_sign_up(uuid),
  genflow.add_entry(uuid, text, integer, uuid, text, integer) from public, anon, authenticated, service_role;
revoke execute on function public.grant_credits(uuid, integer, text) from public, anon, authenticated, service_role;
grant execute on function public.grant_credits(uuid, integer, text) to service_role;
