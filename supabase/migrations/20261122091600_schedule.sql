-- pg_cron runs the sweep; pg_net carries its knock to the sweep function. Where an extension is not offered the
-- rest still works: jobs are then swept by whoever calls `call genflow.sweep()`.

do $$
declare
  v_version text;
begin
  if exists (select 1 from pg_catalog.pg_available_extensions where name = 'pg_net') then
    create extension if not exists pg_net with schema extensions;
  end if;
  if exists (select 1 from pg_catalog.pg_available_extensions where name = 'pg_cron') then
    create extension if not exists pg_cron with schema pg_catalog;
    select extversion into v_version from pg_catalog.pg_extension where extname = 'pg_cron';
    -- Seconds are understood from pg_cron 1.5 on.
    perform cron.schedule('genflow-sweep',
      case when string_to_array(v_version, '.')::integer[] >= '{1,5}'::integer[] then '10 seconds' else '* * * * *' end,
      'call genflow.sweep()');
  end if;
end $$;
