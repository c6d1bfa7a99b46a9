// The run whose logs are searched.

import type { ControlledStack } from "./controlled-stack.ts";
import { breakOff, breakStorage, callBack, completeJobs, failJobs, refuseStarts } from "./logged-jobs.ts";
import { misuseApi, misuseRealtime, useFiles, violateConstraints } from "./logged-misuse.ts";
import type { Logged } from "./logged-person.ts";

export async function goThrough(logged: Logged): Promise<void> {
  await loosenLimits(logged.stack);
  await Promise.all([misuseRealtime(logged), useFunctions(logged)]); // a refused join takes five seconds
  await useFiles(logged);
  await misuseApi(logged);
  await violateConstraints(logged);
}

async function useFunctions(logged: Logged): Promise<void> {
  await completeJobs(logged);
  await refuseStarts(logged);
  await breakOff(logged);
  await failJobs(logged);
  await callBack(logged);
  await breakStorage(logged);
}

async function loosenLimits(stack: ControlledStack): Promise<void> {
  await stack.settings({ user_starts_per_minute: 1000, user_start_burst: 1000, user_running_cap: 20 });
  await stack.settings({ first_poll_seconds: 1, sign_up_grant_credits: 100 });
  await stack
    .sql`update genflow.provider set running_cap = 20, start_burst = 1000, start_tokens = 1000 where singleton`;
  await stack.sql`update public.generation_models set expected_seconds = 1 where id is not null`;
  await stack.provider({ latencyMs: 100, concurrency: 20 });
}
