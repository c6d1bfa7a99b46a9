-- What projects created since 2026-05-30, and all since 2026-10-30, take away from the image's default privileges:
-- tables, sequences and functions that a migration makes in public are open to no API role, service_role included.
-- What is left (truncate, references, trigger, and the built-in execute of PUBLIC on functions) is left on hosted too.
alter default privileges for role postgres in schema public
  revoke select, insert, update, delete on tables from anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  revoke usage, select on sequences from anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  revoke execute on functions from anon, authenticated, service_role;
