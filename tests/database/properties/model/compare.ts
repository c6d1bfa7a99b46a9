// The model and the rows, side by side: all that a step may have changed.

import { expect } from "vitest";
import type { TestDatabase } from "../../database.ts";
import { byText, type Model } from "./state.ts";
import { readyJobs } from "./turns.ts";

function modelled(model: Model) {
  return {
    balances: [...model.users.values()].map(({ id, balance }) => ({ id, balance })),
    jobs: [...model.jobs.values()].sort((one, other) => byText(one.id, other.id)).map((job) => ({
      id: job.id,
      status: job.status,
      burnt: job.burnt,
      error: job.error,
      held: job.price * job.images,
      captured: job.captured,
      released: job.released,
      isReady: job.isReady,
      hasPlace: job.place !== null,
      attemptId: job.attemptId,
      stored: job.stored.size,
    })),
    attempts: [...model.attempts.values()].sort((one, other) => byText(one.id, other.id))
      .map(({ id, closed, taskId, submission }) => ({
        id,
        closed,
        taskId,
        submission: submission === "lost" ? "unknown" : submission,
      })),
    turns: readyJobs(model).map(({ id }) => id),
  };
}

export async function expectAlike(model: Model, { sql }: TestDatabase): Promise<void> {
  const [row] = await sql`
    select (select coalesce(json_object_agg(u.id, coalesce(a.balance, 0)), '{}') from auth.users u
        left join genflow.accounts a on a.user_id = u.id) as balances,
      (select coalesce(json_agg(json_build_object('id', j.id, 'status', j.status, 'burnt', j.attempts, 'error', j.error_code,
          'held', -r.amount, 'captured', j.credits_captured, 'released', c.amount, 'isReady', j.ready_at is not null,
          'hasPlace', j.ready_order is not null, 'attemptId', j.attempt_id,
          'stored', (select count(*) from public.generation_images i where i.job_id = j.id)) order by j.id), '[]')
        from public.generation_jobs j
          left join public.credit_entries r on r.job_id = j.id and r.kind = 'reserve'
          left join public.credit_entries c on c.job_id = j.id and c.kind = 'close') as jobs,
      (select coalesce(json_agg(json_build_object('id', id, 'closed', closed_how, 'taskId', task_id, 'submission', submission)
          order by id), '[]') from genflow.attempts) as attempts,
      (select coalesce(json_agg(id order by ready_order, id), '[]') from public.generation_jobs where ready_at is not null) as turns`;
  const balances = row!["balances"] as Record<string, number>;
  expect({
    balances: [...model.users.keys()].map((id) => ({ id, balance: balances[id] })),
    jobs: row!["jobs"],
    attempts: row!["attempts"],
    turns: row!["turns"],
  }).toEqual(modelled(model));
}
