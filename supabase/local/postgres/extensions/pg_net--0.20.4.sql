-- Stand-in for pg_net: the same tables, functions and privileges. A request is a row of an unlogged table and
-- NOTIFY wakes the stack's worker, both when the transaction commits and not before.

create schema net;

create domain net.http_method as text check (value ilike 'get' or value ilike 'post' or value ilike 'delete');

create unlogged table net.http_request_queue (
  id bigserial,
  method net.http_method not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer not null
);

create unlogged table net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz not null default now()
);
create index _http_response_created_idx on net._http_response (created);

create function net.wake() returns void
language sql
as $$ select pg_catalog.pg_notify('pg_net', '') $$;

-- The C library's rule: all but letters, digits and -._~ become %XX.
create function net._urlencode_string(string text) returns text
language sql immutable strict
as $$
  select coalesce(pg_catalog.string_agg(
    case
      when code between 48 and 57 or code between 65 and 90 or code between 97 and 122 or code in (45, 46, 95, 126)
        then pg_catalog.chr(code)
      else '%' || pg_catalog.upper(pg_catalog.lpad(pg_catalog.to_hex(code), 2, '0'))
    end, '' order by position
  ), '')
  from (
    select position, pg_catalog.get_byte(bytes, position) as code
    from (select pg_catalog.convert_to(string, 'UTF8') as bytes) as encoded,
      pg_catalog.generate_series(0, pg_catalog.length(bytes) - 1) as position
  ) as each_byte
$$;

create function net._url_with_params(url text, params jsonb) returns text
language sql immutable
as $$
  select case
    when query is null then url
    when pg_catalog.strpos(url, '?') > 0 then url || '&' || query
    else url || '?' || query
  end
  from (
    select pg_catalog.string_agg(net._urlencode_string(key) || '=' || net._urlencode_string(value), '&') as query
    from pg_catalog.jsonb_each_text(params)
  ) as pairs
$$;

create function net._enqueue(
  method text, url text, params jsonb, headers jsonb, body jsonb, timeout_milliseconds integer
) returns bigint
language sql
as $$
  select net.wake();
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values (
    $1, net._url_with_params($2, $3), $4, pg_catalog.convert_to($5::text, 'UTF8'), $6
  )
  returning id
$$;

create function net.http_get(
  url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000
) returns bigint
language sql strict
as $$ select net._enqueue('GET', $1, $2, $3, null, $4) $$;

create function net.http_delete(
  url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000,
  body jsonb default null
) returns bigint
language sql
as $$ select net._enqueue('DELETE', $1, $2, $3, $5, $4) $$;

create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds integer default 5000
) returns bigint
language plpgsql
as $$
declare
  content_type text := (
    select value from pg_catalog.jsonb_each_text(coalesce(headers, '{}')) where pg_catalog.lower(key) = 'content-type' limit 1
  );
begin
  if content_type is null then
    headers := coalesce(headers, '{}') || '{"Content-Type": "application/json"}';
  elsif content_type <> 'application/json' then
    raise exception 'Content-Type header must be "application/json"';
  end if;
  if body is null then
    raise exception 'body must not be null';
  end if;
  return net._enqueue('POST', url, params, headers, body, timeout_milliseconds);
end
$$;

-- Anybody may enqueue and read, headers and answers included: that is how it is on hosted.
grant usage on schema net to public, postgres, anon, authenticated, service_role, supabase_functions_admin;
grant all on all tables in schema net to public;
grant all on all sequences in schema net to public;
