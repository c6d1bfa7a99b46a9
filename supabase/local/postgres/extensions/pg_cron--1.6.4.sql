-- Stand-in for pg_cron: the same tables, functions, checks and privileges. The stack's worker runs what is due;
-- NOTIFY tells it that the jobs have changed.

do $$
declare
  wanted text := coalesce(nullif(current_setting('cron.database_name', true), ''), 'postgres');
begin
  if current_database() <> wanted then
    raise exception 'can only create extension in database %', wanted
      using detail = 'Jobs must be scheduled from the database configured in cron.database_name, since the pg_cron '
        || 'background worker reads job descriptions from this database.';
  end if;
end
$$;

create schema cron;

create sequence cron.jobid_seq;
create sequence cron.runid_seq;

create table cron.job (
  jobid bigint primary key default pg_catalog.nextval('cron.jobid_seq'),
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost',
  nodeport integer not null default coalesce(pg_catalog.inet_server_port(), 5432),
  database text not null default pg_catalog.current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  constraint jobname_username_uniq unique (jobname, username)
);
alter table cron.job enable row level security;
create policy cron_job_policy on cron.job using (username = current_user);

create table cron.job_run_details (
  jobid bigint,
  runid bigint primary key default pg_catalog.nextval('cron.runid_seq'),
  job_pid integer,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamptz,
  end_time timestamptz
);
alter table cron.job_run_details enable row level security;
create policy cron_job_run_details_policy on cron.job_run_details using (username = current_user);

create function cron.job_cache_invalidate() returns trigger
language plpgsql
as $$
begin
  perform pg_catalog.pg_notify('pg_cron', '');
  return null;
end
$$;
create trigger cron_job_cache_invalidate after insert or update or delete or truncate on cron.job
  for each statement execute function cron.job_cache_invalidate();

-- One item of one field: *, a number or name, a range, each with an optional step.
create function cron._valid_item(item text, lowest integer, highest integer, names text[]) returns boolean
language plpgsql immutable
as $$
declare
  parts text[] := pg_catalog.regexp_match(item, '^(?:\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]{1,4}))?$');
  bounds integer[] := '{}';
  bound text;
begin
  if parts is null or parts[3]::integer = 0 then
    return false;
  end if;
  foreach bound in array parts[1:2] loop
    continue when bound is null;
    if bound ~ '^[0-9]{1,4}$' then
      bounds := bounds || bound::integer;
    elsif pg_catalog.array_position(names, bound) is not null then
      bounds := bounds || (lowest + pg_catalog.array_position(names, bound) - 1);
    else
      return false;
    end if;
  end loop;
  return not exists (select from pg_catalog.unnest(bounds) as value where value not between lowest and highest)
    and (pg_catalog.cardinality(bounds) < 2 or bounds[1] <= bounds[2]);
end
$$;

create function cron._valid_schedule(schedule text) returns boolean
language sql immutable
as $$
  select case
    when schedule ~* '^\s*[1-9][0-9]?\s+seconds?\s*$' then pg_catalog.substring(schedule, '[0-9]+')::integer <= 59
    when schedule ~* '^\s*@(yearly|annually|monthly|weekly|daily|midnight|hourly|reboot)\s*$' then true
    when pg_catalog.cardinality(fields) <> 5 then false
    else not exists (
      select
      from (values
        (1, 0, 59, '{}'::text[]), (2, 0, 23, '{}'), (3, 1, 31, '{}'),
        (4, 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}'),
        (5, 0, 7, '{sun,mon,tue,wed,thu,fri,sat}')
      ) as allowed (field, lowest, highest, names),
        pg_catalog.regexp_split_to_table(fields[field], ',') as item
      where not cron._valid_item(item, lowest, highest, names) and not (field = 3 and item = '$')
    )
  end
  from (
    select pg_catalog.regexp_split_to_array(pg_catalog.lower(pg_catalog.btrim(schedule, E' \t\n')), '\s+')
  ) as split (fields)
$$;

-- The C functions know who calls them and write as superuser. Here the public functions, which run as their
-- caller, hand his name to these.
create function cron._store(
  job_name text, new_schedule text, new_command text, new_database text, owner text, is_active boolean
) returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
  stored bigint;
begin
  perform cron._check(new_schedule, new_database, owner);
  insert into cron.job as kept (schedule, command, database, username, active, jobname)
  values (new_schedule, new_command, new_database, owner, is_active, job_name)
  on conflict on constraint jobname_username_uniq
    do update set schedule = excluded.schedule, command = excluded.command, database = excluded.database
  returning kept.jobid into stored;
  return stored;
end
$$;

create function cron._check(schedule text, database text, owner text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  if not cron._valid_schedule(schedule) then
    raise exception 'invalid schedule: %', schedule
      using hint = 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''';
  end if;
  if not exists (select from pg_catalog.pg_database where datname = database) then
    raise exception 'database "%" does not exist', database using errcode = '3D000';
  end if;
  if not pg_catalog.has_database_privilege(owner, database, 'connect') then
    raise exception 'User % does not have CONNECT privilege on %', owner, database using errcode = '42501';
  end if;
  perform cron._refuse_superuser(owner);
end
$$;

-- Whoever may call these internals could otherwise borrow a superuser's name.
create function cron._refuse_superuser(owner text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  if (select rolsuper from pg_catalog.pg_roles where rolname = owner)
    and not (select rolsuper from pg_catalog.pg_roles where rolname = session_user)
  then
    raise exception 'cannot schedule a job for superuser %', owner using errcode = '42501';
  end if;
end
$$;

create function cron._remove(wanted_id bigint, wanted_name text, owner text) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
  delete from cron.job where username = owner and (jobid = wanted_id or jobname = wanted_name);
  if not found then
    raise exception 'could not find valid entry for job %', coalesce(quote_literal(wanted_name), wanted_id::text)
      using errcode = 'XX000';
  end if;
  return true;
end
$$;

create function cron._alter(
  wanted_id bigint, owner text, new_schedule text, new_command text, new_database text, new_active boolean
) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  kept cron.job;
begin
  select * into kept from cron.job where jobid = wanted_id and username = owner;
  if not found then
    raise exception 'Job % does not exist or you don''t own it', wanted_id using errcode = 'XX000';
  end if;
  perform cron._check(coalesce(new_schedule, kept.schedule), coalesce(new_database, kept.database), owner);
  update cron.job set
    schedule = coalesce(new_schedule, schedule),
    command = coalesce(new_command, command),
    database = coalesce(new_database, database),
    active = coalesce(new_active, active)
  where jobid = wanted_id;
end
$$;

create function cron.schedule(schedule text, command text) returns bigint
language sql
as $$ select cron._store(null, $1, $2, current_database(), current_user, true) $$;

create function cron.schedule(job_name text, schedule text, command text) returns bigint
language sql
as $$ select cron._store($1, $2, $3, current_database(), current_user, true) $$;

create function cron.schedule_in_database(
  job_name text, schedule text, command text, database text, username text default null, active boolean default true
) returns bigint
language plpgsql
as $$
begin
  -- Even for the caller's own name: that is how the original reads it.
  if username is not null and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    raise exception 'must be superuser to create a job for another role' using errcode = 'XX000';
  end if;
  return cron._store(job_name, schedule, command, database, coalesce(username, current_user), active);
end
$$;

create function cron.unschedule(job_id bigint) returns boolean
language sql
as $$ select cron._remove($1, null, current_user) $$;

create function cron.unschedule(job_name text) returns boolean
language sql
as $$ select cron._remove(null, $1, current_user) $$;

create function cron.alter_job(
  job_id bigint, schedule text default null, command text default null, database text default null,
  username text default null, active boolean default null
) returns void
language plpgsql
as $$
begin
  if username is not null then
    raise exception 'must be superuser to alter username' using errcode = 'XX000';
  end if;
  perform cron._alter(job_id, current_user, schedule, command, database, active);
end
$$;

revoke execute on function
  cron._store(text, text, text, text, text, boolean), cron._check(text, text, text), cron._refuse_superuser(text),
  cron._remove(bigint, text, text), cron._alter(bigint, text, text, text, text, boolean),
  cron.schedule_in_database(text, text, text, text, text, boolean),
  cron.alter_job(bigint, text, text, text, text, boolean)
from public;

-- As hosted leaves them: everything to postgres, but jobs are changed through the functions alone.
grant usage on schema cron to postgres with grant option;
grant execute on all functions in schema cron to postgres with grant option;
grant all on table cron.job_run_details to postgres with grant option;
revoke trigger on table cron.job_run_details from postgres;
grant select on table cron.job to postgres with grant option;
grant all on all sequences in schema cron to postgres with grant option;

select pg_extension_config_dump('cron.job', '');
select pg_extension_config_dump('cron.jobid_seq', '');
select pg_extension_config_dump('cron.job_run_details', '');
select pg_extension_config_dump('cron.runid_seq', '');
