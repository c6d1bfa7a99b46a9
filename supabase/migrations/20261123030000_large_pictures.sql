-- Pictures of 45 MB are taken, since storing streams them: the backend's own cap (maxOutputBytes), below the 50 MB that
-- the free plan takes.

update storage.buckets set file_size_limit = 48000000 where id = 'generations';
