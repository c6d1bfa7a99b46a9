-- The profile's feed: one question for pages, filters, order and search.
--
-- The request is the function's one parameter and has no name. Such a function is called by POST alone, so that no
-- words stand in a URL; and its body comes as it was sent. A named one would be taken apart by the data API's own SQL,
-- whose complaint of a NUL or of half a surrogate pair prints the words around it into the database's log.

-- Favorites among very many generations are found by an index in the feed's order, which is that of the jobs.
alter table public.generation_images add column job_created_at timestamptz;
comment on column public.generation_images.job_created_at is 'Of its job, which keeps it: the picture''s place in the feed.';

-- Not a change that anybody is told of.
alter table public.generation_images disable trigger user;
update public.generation_images i set job_created_at = j.created_at from public.generation_jobs j where j.id = i.job_id;
alter table public.generation_images enable trigger user;
alter table public.generation_images alter column job_created_at set not null;

create function genflow.place_image() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  select created_at into new.job_created_at from public.generation_jobs where id = new.job_id;
  return new;
end $$;
comment on function genflow.place_image() is 'Writes the time of its job on a picture: its place in the feed.';
revoke execute on function genflow.place_image() from public, anon, authenticated, service_role;

create trigger generation_images_place before insert on public.generation_images
  for each row execute function genflow.place_image();

create index generation_images_marked on public.generation_images (user_id, job_created_at, job_id)
  where (favorite or flagged) and deleted_at is null;

create function genflow.search_words(p_words text) returns text[]
language plpgsql immutable security definer set search_path = ''
as $$
begin
  -- What ECMAScript counts as white space: the same on every server, whatever its locale.
  return array_remove(regexp_split_to_array(p_words,
    '[\u0009-\u000d \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+'), '');
end $$;
comment on function genflow.search_words(text) is 'The words of a search, as they stand between white space.';

create function genflow.search_fault(p_search jsonb) returns text
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_types constant jsonb := '{"words": "string", "modelIds": "array", "aspectRatios": "array", "statuses": "array",
    "favorite": "boolean", "flagged": "boolean", "sort": "string", "after": "object", "limit": "number"}'::jsonb;
  v_max_characters constant integer := 200;
  v_max_words constant integer := 10;
  v_max_values constant integer := 20;
  v_max_value_characters constant integer := 100;
  v_max_limit constant integer := 100;
  v_time constant text := '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$';
  v_uuid constant text := '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$';
begin
  if jsonb_typeof(p_search) is distinct from 'object' then
    return 'the request';
  end if;
  return (select case when v_types ? s.name then s.name else 'an unknown field' end
    from jsonb_each(p_search) s (name, value)
    where case
      when jsonb_typeof(s.value) is distinct from v_types ->> s.name then true
      when s.name = 'words' then char_length(s.value #>> '{}') > v_max_characters
        or cardinality(genflow.search_words(s.value #>> '{}')) > v_max_words
      when jsonb_typeof(s.value) = 'array' then jsonb_array_length(s.value) not between 1 and v_max_values
        or exists (select from jsonb_array_elements(s.value) e (value)
          where jsonb_typeof(e.value) <> 'string' or char_length(e.value #>> '{}') not between 1 and v_max_value_characters
            or s.name = 'statuses' and e.value #>> '{}' <> all (enum_range(null::public.generation_status)::text[]))
      when s.name = 'sort' then s.value #>> '{}' not in ('newest', 'oldest')
      when s.name = 'after' then (s.value - 'createdAt' - 'id') <> '{}'
        or jsonb_typeof(s.value -> 'createdAt') is distinct from 'string' or s.value ->> 'createdAt' !~ v_time
        or jsonb_typeof(s.value -> 'id') is distinct from 'string' or s.value ->> 'id' !~ v_uuid
      when s.name = 'limit' then s.value::numeric not between 1 and v_max_limit or s.value::numeric <> trunc(s.value::numeric)
      else false end
    order by s.name limit 1);
end $$;
comment on function genflow.search_fault(jsonb) is
  'The field of a search that does not have the right shape, or null. Never a name or a value of the caller''s own.';

create function genflow.search_items(p_job_ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  return (select coalesce(jsonb_agg(jsonb_build_object(
      'job', genflow.job_json(j),
      'images', (select coalesce(jsonb_agg(genflow.image_json(p.image) order by p.index), '[]')
        -- In the order of the one index that begins with the job: a plan may be as old as when there were no pictures.
        from (select i as image, i.index from public.generation_images i
          where i.job_id = j.id and i.deleted_at is null order by i.index) p))
      order by a.place), '[]')
    from unnest(p_job_ids) with ordinality a (job_id, place) join public.generation_jobs j on j.id = a.job_id);
end $$;
comment on function genflow.search_items(uuid[]) is 'These jobs, in this order, each with its pictures that are not deleted.';

create function public.search_generations(json) returns jsonb
language plpgsql stable security definer set search_path = ''
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan
as $$
declare
  -- Looked at for one page, fitting or not: a rare word among very many prompts takes several calls, not a time-out.
  v_max_looked_at constant integer := 2000;
  v_max_bytes constant integer := 65536;
  v_user_id uuid := genflow.caller();
  v_fault text := 'the request';
  v_search jsonb;
  v_models text[];
  v_ratios text[];
  v_statuses text[];
  v_patterns text[];
  v_favorite boolean;
  v_flagged boolean;
  v_marked boolean;
  v_oldest boolean;
  v_limit integer;
  v_at timestamptz;
  v_id uuid;
  v_seq bigint;
  v_page record;
begin
  begin
    if octet_length($1::text) <= v_max_bytes then
      v_search := $1::jsonb;
      v_fault := genflow.search_fault(v_search);
    end if;
    if v_fault is null then
      v_at := (v_search #>> '{after,createdAt}')::timestamptz;
    end if;
  exception when data_exception then
    -- Its own words quote what was sent. Caught, they reach no log.
    v_fault := coalesce(v_fault, 'after');
  end;
  if v_fault is not null then
    raise exception 'the search is not well formed: %', v_fault using errcode = 'PT400', hint = 'invalid_request';
  end if;

  v_models := array(select jsonb_array_elements_text(v_search -> 'modelIds'));
  v_ratios := array(select jsonb_array_elements_text(v_search -> 'aspectRatios'));
  v_statuses := array(select jsonb_array_elements_text(v_search -> 'statuses'));
  v_patterns := array(select '%' || regexp_replace(lower(w), '([\\%_])', '\\\1', 'g') || '%'
    from unnest(genflow.search_words(v_search ->> 'words')) w);
  v_favorite := (v_search -> 'favorite')::boolean;
  v_flagged := (v_search -> 'flagged')::boolean;
  v_marked := coalesce(v_favorite, false) or coalesce(v_flagged, false);
  v_oldest := coalesce(v_search ->> 'sort' = 'oldest', false);
  v_limit := coalesce((v_search -> 'limit')::integer, 50);
  v_id := (v_search #>> '{after,id}')::uuid;
  v_at := coalesce(v_at, case when v_oldest then '-infinity'::timestamptz else 'infinity' end);

  select coalesce(max(feed_seq), 0) into v_seq from genflow.accounts where user_id = v_user_id;
  -- One of the four ways is walked, in its index's order and no further than the page needs.
  with way as (
    (select j.id, j.created_at, j.model_id, j.aspect_ratio, j.status from public.generation_jobs j
      where not v_marked and not v_oldest and j.user_id = v_user_id and (j.created_at, j.id) < (v_at, v_id)
      order by j.created_at desc, j.id desc limit v_max_looked_at)
    union all
    (select j.id, j.created_at, j.model_id, j.aspect_ratio, j.status from public.generation_jobs j
      where not v_marked and v_oldest and j.user_id = v_user_id and (j.created_at, j.id) > (v_at, v_id)
      order by j.created_at, j.id limit v_max_looked_at)
    union all
    (select distinct on (i.job_created_at, i.job_id) j.id, j.created_at, j.model_id, j.aspect_ratio, j.status
      from public.generation_images i join public.generation_jobs j on j.id = i.job_id
      where v_marked and not v_oldest and i.user_id = v_user_id and (i.favorite or i.flagged) and i.deleted_at is null
        and (i.job_created_at, i.job_id) < (v_at, v_id)
      order by i.job_created_at desc, i.job_id desc limit v_max_looked_at)
    union all
    (select distinct on (i.job_created_at, i.job_id) j.id, j.created_at, j.model_id, j.aspect_ratio, j.status
      from public.generation_images i join public.generation_jobs j on j.id = i.job_id
      where v_marked and v_oldest and i.user_id = v_user_id and (i.favorite or i.flagged) and i.deleted_at is null
        and (i.job_created_at, i.job_id) > (v_at, v_id)
      order by i.job_created_at, i.job_id limit v_max_looked_at)
  ), looked_at as (
    select w.id, w.created_at, row_number() over () as place,
      (v_models = '{}' or w.model_id = any (v_models))
        and (v_ratios = '{}' or w.aspect_ratio = any (v_ratios))
        and (v_statuses = '{}' or w.status::text = any (v_statuses))
        and (v_patterns = '{}'
          or (select lower(p.prompt) like all (v_patterns) from public.generation_prompts p where p.job_id = w.id))
        and (w.status <> 'completed' and v_favorite is null and v_flagged is null
          -- Not as EXISTS: that is answered from a hash of every picture there is.
          or (select true from public.generation_images i where i.job_id = w.id and i.deleted_at is null
            and (v_favorite is null or i.favorite = v_favorite) and (v_flagged is null or i.flagged = v_flagged)
            order by i.index limit 1)) as fits
    from way w
  ), page as (
    select id, created_at, place, fits from looked_at where fits or place = v_max_looked_at limit v_limit
  )
  select coalesce(array_agg(id order by place) filter (where fits), '{}') as job_ids,
    case when count(*) = v_limit or max(place) = v_max_looked_at then jsonb_build_object(
      'createdAt', (array_agg(created_at order by place desc))[1], 'id', (array_agg(id order by place desc))[1]) end as next
    into v_page from page;
  return jsonb_build_object('items', genflow.search_items(v_page.job_ids), 'next', v_page.next, 'seq', v_seq);
end $$;
comment on function public.search_generations(json) is
  'A page of the caller''s generations: {words?, modelIds?, aspectRatios?, statuses?, favorite?, flagged?, sort?, after?, limit?} → {items: [{job, images}], next, seq}. It looks at 2,000 generations at most: while next is not null there may be more, however few items came. seq is the account''s as of these rows.';

revoke execute on function genflow.search_words(text), genflow.search_fault(jsonb), genflow.search_items(uuid[])
  from public, anon, authenticated, service_role;
revoke execute on function public.search_generations(json) from public, anon, authenticated, service_role;
grant execute on function public.search_generations(json) to authenticated;
