// A user's large library, put in at once and past the kernel: for what must not cost more with a larger one.

import type postgres from "postgres";

export interface Library {
  userId: string;
  /** Numbered from 0, the oldest, a second apart; each has ended with one picture. */
  jobs: number;
  /** Every so manieth job's picture is a favorite, and its prompt holds the word `rare`. */
  favoriteEvery: number;
}

/** When the numbered job was made, as the database writes it. */
export const momentOf = (number: number): string =>
  new Date(Date.UTC(2026, 0, 1) + number * 1000).toISOString().replace(".000Z", "+00:00");

/** Characters of a prompt: long enough to be a real one, short enough to be kept in the row. */
const promptCharacters = 300;

export async function fillLibrary(
  sql: postgres.Sql,
  { userId, jobs, favoriteEvery }: Library,
): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into genflow.accounts (user_id, feed_seq) values (${userId}, ${jobs})
      on conflict (user_id) do update set feed_seq = excluded.feed_seq`;
    await transaction`
      insert into public.generation_jobs (id, user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images, trace_id,
        status, credits_per_image, credits_held, credits_captured, created_at, ended_at, seq)
      select gen_random_uuid(), ${userId}, gen_random_uuid(), repeat('a', 64), 'flux-schnell', '1:1', 1, 'trace',
        'completed', 1, 1, 1, t.at, t.at, n
      from generate_series(0, ${jobs}::integer - 1) n,
        lateral (select '2026-01-01'::timestamptz + make_interval(secs => n) as at) t`;
    await transaction`
      insert into public.generation_images (job_id, user_id, index, path, width, height, bytes, sha256, content_type, favorite,
        created_at, job_created_at, seq)
      select id, user_id, 0, user_id || '/' || id || '/0-00000000', 1024, 1024, 180000, repeat('0', 64), 'image/jpeg',
        seq % ${favoriteEvery}::bigint = 0, created_at, created_at, seq
      from public.generation_jobs where user_id = ${userId}`;
    await transaction`
      insert into public.generation_prompts (job_id, user_id, prompt)
      select id, user_id, left(case when seq % ${favoriteEvery}::bigint = 0 then 'Rare ' else '' end || repeat('an otter reads ', 100),
        ${promptCharacters}::integer)
      from public.generation_jobs where user_id = ${userId}`;
  });
}
