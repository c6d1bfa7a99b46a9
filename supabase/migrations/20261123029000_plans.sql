-- Plans that hold at any size.
--
-- A session keeps the plans it has made, and a pool's sessions are older than much of the data: a plan made while a
-- table was empty, or for a user who owns most of it, would read the table from end to end. No question of the kernel
-- needs that, so its ways in go by index, always, and in the index's order: sorting what a bitmap has gathered reads
-- the whole queue for its first hundred. Each plan is made once, not anew for what was asked. Upkeep looks for who names
-- an upload, and that index knows no other way than a bitmap.

do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_catalog.pg_proc p
      where p.prokind = 'f' and p.prolang = (select oid from pg_catalog.pg_language where lanname = 'plpgsql')
        and (p.pronamespace = 'public'::regnamespace and p.proname in (
            'start_generation', 'cancel_generation', 'claim_generations', 'await_accounts', 'mark_sending', 'record_submission',
            'record_listing', 'settle_generation', 'note_callback', 'claim_polls', 'claim_persists', 'record_image',
            'complete_generation', 'claim_purges', 'record_purge', 'grant_credits', 'adjust_credits', 'my_account',
            'queue_position', 'set_favorite', 'delete_images')
          or p.pronamespace = 'genflow'::regnamespace and p.proname in (
            'sweep_step', 'sweep_promotions', 'sweep_upkeep', 'push_changes', 'http_work'))
  loop
    execute format('alter function %s set enable_seqscan = off', v_function);
    execute format('alter function %s set plan_cache_mode = force_generic_plan', v_function);
    if v_function <> 'genflow.sweep_upkeep(text)'::regprocedure then
      execute format('alter function %s set enable_bitmapscan = off', v_function);
    end if;
  end loop;
end $$;
