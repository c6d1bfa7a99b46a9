-- Makes one attempt as one actor and undoes it. Run as superuser; the attempt itself runs as the actor, with the
-- claims and settings that the platform's services set.

create schema attack;
-- Where any actor may create, so that what a foreign key or a trigger needs of the attacked table alone decides.
create schema attack_scratch;
grant usage, create on schema attack_scratch to public;

create function attack.attempt(p_role text, p_sub text, p_topic text, p_before text, p_statement text) returns jsonb
language plpgsql
as $$
declare
  v_rows bigint;
  v_value text;
  v_code text;
  v_message text;
begin
  begin
    perform set_config('request.jwt.claims', json_build_object('sub', p_sub, 'role', p_role)::text, true),
      set_config('request.jwt.claim.sub', coalesce(p_sub, ''), true),
      set_config('request.jwt.claim.role', p_role, true),
      set_config('realtime.topic', coalesce(p_topic, ''), true),
      set_config('storage.allow_delete_query', 'true', true);
    if p_before is not null then
      execute p_before;
    end if;
    perform set_config('role', p_role, true);
    if p_statement ilike 'select%' then
      execute p_statement into v_value;
      get diagnostics v_rows = row_count;
    else
      execute p_statement;
      get diagnostics v_rows = row_count;
    end if;
    raise exception using errcode = 'UNDO0', message = 'undo';
  exception when others then
    -- Everything above is undone by now, the role too.
    get stacked diagnostics v_code = returned_sqlstate, v_message = message_text;
  end;
  return jsonb_build_object('code', nullif(v_code, 'UNDO0'), 'message', v_message, 'rows', v_rows, 'value', v_value);
end $$;

create function attack.attempts(p_attempts jsonb) returns jsonb
language sql
as $$
  select jsonb_agg(attack.attempt(a.role, a.sub, a.topic, a.before, a.statement) order by a.at)
  from rows from (jsonb_to_recordset(p_attempts) as (role text, sub text, topic text, before text, statement text))
    with ordinality as a(role, sub, topic, before, statement, at)
$$;
