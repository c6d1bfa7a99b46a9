// Users who may start jobs, and limits wide enough to stand in nobody's way: what is left is the cost of checking.

import { randomUUID } from "node:crypto";
import type postgres from "postgres";

export async function addUsers(admin: postgres.Sql, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await admin`insert into auth.users (id, email, email_confirmed_at)
    select id, id || '@example.com', now() from unnest(${ids}::uuid[]) id`;
  return ids;
}

export interface Limits {
  user_running_cap?: number;
  provider_running_cap?: number;
}

export async function widenLimits(
  admin: postgres.Sql,
  { user_running_cap = 100, provider_running_cap = 5000 }: Limits = {},
): Promise<void> {
  await admin`update genflow.settings
    set user_running_cap = ${user_running_cap}, user_pending_cap = 100000, user_start_burst = 100000,
      user_starts_per_minute = 100000, sign_up_grant_credits = 1000000`;
  await admin`update genflow.provider
    set running_cap = ${provider_running_cap}, start_burst = 1000000, start_tokens = 1000000, starts_per_minute = 1000000`;
}
