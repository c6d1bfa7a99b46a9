-- The sweep, with what it keeps besides: estimates for the queue, and reference images that nothing needs any more.

create function genflow.sweep_upkeep(p_task text) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return case p_task
    when 'estimates' then 0
    when 'inputs' then genflow.purge_inputs()
    when 'pruned' then genflow.prune()
    when 'woke' then genflow.wake_sweep_function()::integer
  end;
end $$;
comment on function genflow.sweep_upkeep(text) is 'One task that each sweep does once: estimates, inputs, pruned or woke. Answers how many rows it touched.';

create or replace procedure genflow.sweep()
language plpgsql
as $$
declare
  v_started_at timestamptz := genflow.clock();
  v_until timestamptz;
  v_step text;
  v_moved integer;
  v_counts jsonb := '{}';
  v_errors integer := 0;
begin
  select v_started_at + pg_catalog.make_interval(secs => sweep_seconds) into v_until from genflow.settings where singleton;
  foreach v_step in array array['leases', 'deadlines', 'unknowns', 'attempts'] loop
    loop
      begin
        v_moved := genflow.sweep_step(v_step);
      exception when others then
        v_moved := 0;
        v_errors := v_errors + 1;
        raise warning 'genflow.sweep: step % failed: %', v_step, sqlerrm;
      end;
      commit;
      v_counts := v_counts || pg_catalog.jsonb_build_object(v_step, coalesce((v_counts ->> v_step)::integer, 0) + v_moved);
      exit when v_moved = 0 or genflow.clock() >= v_until;
    end loop;
  end loop;
  loop
    begin
      v_moved := genflow.sweep_promotions();
    exception when others then
      v_moved := 0;
      v_errors := v_errors + 1;
      raise warning 'genflow.sweep: promotions failed: %', sqlerrm;
    end;
    commit;
    exit when v_moved < 100 or genflow.clock() >= v_until;
  end loop;
  -- Waking comes last: what the others have made due goes with it.
  foreach v_step in array array['estimates', 'inputs', 'pruned', 'woke'] loop
    begin
      v_moved := genflow.sweep_upkeep(v_step);
      v_counts := v_counts || pg_catalog.jsonb_build_object(v_step, v_moved);
    exception when others then
      v_errors := v_errors + 1;
      raise warning 'genflow.sweep: % failed: %', v_step, sqlerrm;
    end;
    commit;
  end loop;
  perform genflow.note_sweep(v_started_at, v_counts, v_errors);
end $$;

revoke execute on function genflow.sweep_upkeep(text) from public, anon, authenticated, service_role;
revoke execute on procedure genflow.sweep() from public, anon, authenticated, service_role;
