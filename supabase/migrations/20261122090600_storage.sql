-- Two private buckets. Pictures are written by the backend alone; reference images are uploaded by their owner.

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values
  ('generations', 'generations', false, 33554432, '{image/jpeg,image/png,image/webp}'),
  ('generation-inputs', 'generation-inputs', false, 20971520, '{image/jpeg,image/png,image/webp}')
on conflict (id) do update
  set public = excluded.public, file_size_limit = excluded.file_size_limit, allowed_mime_types = excluded.allowed_mime_types;

create policy "owners read their pictures' files" on storage.objects
  for select to authenticated
  using (bucket_id = 'generations' and (storage.foldername(name))[1] = (select auth.uid())::text);

create policy "owners read their reference images" on storage.objects
  for select to authenticated
  using (bucket_id = 'generation-inputs' and (storage.foldername(name))[1] = (select auth.uid())::text);

create policy "owners upload their reference images" on storage.objects
  for insert to authenticated
  with check (bucket_id = 'generation-inputs' and (storage.foldername(name))[1] = (select auth.uid())::text
    -- Whoever normalises such a name would look in another folder.
    and not string_to_array(name, '/') && '{"",.,..}'::text[]);
