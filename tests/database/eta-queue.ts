// Long queues, put in at once and past the kernel: for what must not cost more with a longer one.

import type postgres from "postgres";

export interface Backlog {
  /** Users are numbered: the same numbers are the same users. */
  firstUser: number;
  users: number;
  jobsEach: number;
  /** Ready since so many seconds ago, the earlier users the longer; null: none of them is ready. */
  readySince: number | null;
}

export const numberedUser = (number: number): string =>
  `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;

export async function fillQueue(
  sql: postgres.Sql,
  { firstUser, users, jobsEach, readySince }: Backlog,
): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into genflow.accounts (user_id)
      select ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
      from generate_series(${firstUser}::integer, ${firstUser + users - 1}::integer) n
      on conflict do nothing`;
    await transaction`
      insert into public.generation_jobs (user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images, trace_id,
        credits_per_image, credits_held, created_at, ready_at, ready_order)
      select ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), repeat('a', 64), 'flux-schnell', '1:1', 1, 'trace',
        1, 1, t.now - make_interval(secs => 1000 - q.ago), case when ${
      readySince !== null
    } then t.now - make_interval(secs => q.ago) end,
        case when ${readySince !== null} then t.now - make_interval(secs => q.ago) end
      from (select genflow.clock() as now) t, generate_series(${firstUser}::integer, ${
      firstUser + users - 1
    }::integer) n,
        generate_series(1, ${jobsEach}::integer) k,
        lateral (select ${readySince ?? 1}::float8 * (1 - (n - ${firstUser} + k / ${
      jobsEach + 1
    }::float8) / ${users}::float8) as ago) q`;
  });
}
