-- Shows that the seed runs once and as the role postgres.
create table public.seeded (by_role text not null);
insert into public.seeded (by_role) values (current_user);
