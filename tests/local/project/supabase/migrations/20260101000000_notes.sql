-- What the tests of the local stack need: rows of a user, functions that fail in each way, a bucket.

create table public.notes (
  id uuid primary key default gen_random_uuid(),
  owner uuid not null default auth.uid(),
  body jsonb not null,
  made_at timestamptz not null default '2026-01-01 00:00:00.5+00'
);
alter table public.notes enable row level security;
grant select, insert on public.notes to authenticated;
create policy "own notes" on public.notes to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));

create table public.ungranted (id integer primary key);
alter table public.ungranted enable row level security;

create function public.refuse() returns void language plpgsql set search_path = '' as $$
begin
  raise exception 'not enough credits' using errcode = 'PT402', detail = '{"balance": 1, "price": 4}', hint = 'buy some';
end
$$;

create function public.kind_of(value jsonb) returns text language sql set search_path = '' as $$
  select pg_catalog.jsonb_typeof(value)
$$;

create function public.count_up(last integer) returns setof integer language sql set search_path = '' as $$
  select pg_catalog.generate_series(1, last)
$$;

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ('pictures', 'pictures', false, 1000, '{image/*}'), ('posters', 'posters', true, null, null);

create policy "own pictures" on storage.objects to authenticated
  using (bucket_id = 'pictures' and (storage.foldername(name))[1] = (select auth.uid())::text)
  with check (bucket_id = 'pictures' and (storage.foldername(name))[1] = (select auth.uid())::text);
