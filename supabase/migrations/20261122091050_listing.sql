-- What the provider's list says of a submit whose answer was lost: it is adopted, proven absent, or still unknown.

create function public.record_listing(p_attempt_id uuid, p_listing jsonb) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_now timestamptz;
  v_attempt genflow.attempts;
  v_margin interval;
  v_strangers jsonb;
  v_matches text[];
begin
  if not genflow.lock_attempt(p_attempt_id) then
    return jsonb_build_object('decision', 'none');
  end if;
  v_now := genflow.clock();
  select * into v_attempt from genflow.attempts where id = p_attempt_id;
  if v_attempt.task_id is not null or v_attempt.closed_at is not null or v_attempt.sent_at is null then
    -- Asked again: the same decision, without a second effect.
    return jsonb_build_object('decision', case
      when v_attempt.closed_how = 'absent' then 'absent'
      when exists (select 1 from jsonb_array_elements(p_listing -> 'predictions') item
        where item ->> 'id' = v_attempt.task_id and (item ->> 'matches')::boolean) then 'adopted'
      else 'none' end);
  end if;
  v_margin := make_interval(secs => (select listing_margin_seconds from genflow.settings where singleton));
  -- Predictions of this model in the window that no attempt of ours is tied to.
  select coalesce(jsonb_agg(item), '[]') into v_strangers
    from jsonb_array_elements(p_listing -> 'predictions') item
    where (item ->> 'createdAt')::timestamptz between v_attempt.sent_at - v_margin and v_attempt.lease_expires_at + v_margin
      and not exists (select 1 from genflow.attempts where task_id = item ->> 'id');
  v_matches := array(
    select item ->> 'id' from jsonb_array_elements(v_strangers) item where (item ->> 'matches')::boolean and v_attempt.seed is not null);
  if cardinality(v_matches) = 1 and genflow.attach_task(p_attempt_id, v_matches[1]) then
    perform genflow.add_event(v_attempt.job_id, 'adopted', v_attempt.number);
    update genflow.attempts set next_poll_at = v_now where id = p_attempt_id;
    return jsonb_build_object('decision', 'adopted');
  elsif (p_listing ->> 'complete')::boolean and jsonb_array_length(v_strangers) = 0
    and (p_listing ->> 'claimId')::uuid = v_attempt.poll_claim_id
    and v_attempt.listed_at >= v_attempt.lease_expires_at + 2 * v_margin then
    perform genflow.apply_failure(p_attempt_id, 'absent', 'absent');
    return jsonb_build_object('decision', 'absent');
  end if;
  return jsonb_build_object('decision', 'undecided');
end $$;
comment on function public.record_listing(uuid, jsonb) is
  'What the provider''s list says of an unknown: {claimId, predictions: [{id, createdAt, matches}], complete}. Adopts the one prediction that echoes prompt and drawn seed; proves absence only from a whole list whose reading began long enough after the window.';

revoke execute on function public.record_listing(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.record_listing(uuid, jsonb) to service_role;
