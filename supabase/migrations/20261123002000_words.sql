-- A row without its job would fail the primary key's NOT NULL, and the database prints such a row, words included,
-- into its log. It is refused before that, in words of ours.

create function genflow.guard_words() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  raise exception 'words need their job' using errcode = 'not_null_violation';
end $$;
comment on function genflow.guard_words() is 'Refuses a row of generation_prompts without its job, before a constraint could and print the row.';
revoke execute on function genflow.guard_words() from public, anon, authenticated, service_role;

create trigger generation_prompts_words before insert or update of job_id on public.generation_prompts
  for each row when (new.job_id is null) execute function genflow.guard_words();
