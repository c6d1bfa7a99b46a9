-- pg_cron never removes its own history, and a run that found no session, or that a restart of the server cut off,
-- has no end in it (some have no start either), so age alone would keep such rows for ever. Runs are numbered in the
-- order in which they were begun: whatever was begun before the oldest young run is old. Counting from the key's
-- lowest end also costs the sweep a few rows, where the last form read the whole history every ten seconds.

create or replace function genflow.prune() returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_before timestamptz := genflow.clock()
    - make_interval(days => (select sweep_history_days from genflow.settings where singleton));
  v_rows integer;
  v_first_young bigint;
begin
  delete from genflow.sweeps where started_at < v_before;
  get diagnostics v_rows = row_count;
  delete from genflow.storage_purges where done_at < v_before;
  if to_regclass('cron.job_run_details') is not null then
    execute 'select runid from cron.job_run_details where coalesce(end_time, start_time) >= $1 order by runid limit 1'
      into v_first_young using v_before;
    -- A bound of its own: as a sub-select it is planned as a third of the table, which is then read whole.
    execute 'delete from cron.job_run_details where runid < $1' using v_first_young;
  end if;
  return v_rows;
end $$;
comment on function genflow.prune() is 'Removes the sweep''s and pg_cron''s own history past its keeping time.';
