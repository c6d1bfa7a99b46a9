// The defences, each taken out of the SQL alone, or as a pair where one stands behind the other; and the hunt for the
// seed that notices.

import type postgres from "postgres";
import type { Ground } from "./ground.ts";
import { startPool } from "./pool.ts";
import type { Result } from "./run.ts";

export interface Mutant {
  name: string;
  /** What goes wrong without it. */
  guards: string;
  /** Function, what stands there, what stands there instead. */
  edits: [signature: string, from: string, to: string][];
  statements?: string[];
}

export const mutants: Mutant[] = [
  {
    name: "lease fence",
    guards: "a worker that comes back after its lease sends a job that another has",
    edits: [[
      "public.mark_sending(uuid, uuid, uuid, text)",
      `elsif v_attempt.lease_token <> p_lease_token or v_attempt.lease_expires_at <= v_now
    or v_attempt.closed_at is not null or v_job.attempt_id is distinct from p_attempt_id or v_job.status <> 'submitting' then`,
      "elsif false then",
    ]],
  },
  {
    name: "lease left before the POST",
    guards: "a submit is on its way when its lease ends",
    edits: [["public.mark_sending(uuid, uuid, uuid, text)", "'leaseSeconds', ", "'leaseSeconds', 6000 + "]],
  },
  {
    name: "pause and breaker",
    guards: "jobs are sent to a provider that cannot take them",
    edits: [[
      "genflow.claimable(integer)",
      "if v_provider.paused_until > v_now or genflow.breaker_until() > v_now",
      "if false",
    ]],
  },
  {
    name: "capture of what a canceled job was delivered",
    guards: "a picture that was paid for is given away",
    edits: [["genflow.close_hold_of_canceled(uuid)", "coalesce(max(cardinality(output_urls)), 0)", "0"]],
  },
  {
    name: "stored size",
    guards: "what Storage kept only a part of counts as a picture",
    edits: [[
      "public.record_image(uuid, uuid, jsonb)",
      "and (metadata ->> 'size')::bigint = v_bytes",
      "",
    ]],
  },
  {
    name: "facts stored late",
    guards: "a task whose id arrives after the lease is lost",
    edits: [[
      "public.record_submission(uuid, uuid, jsonb)",
      "if v_kind = 'accepted' then",
      "if v_kind = 'accepted' and v_attempt.lease_expires_at < genflow.clock() then null; elsif v_kind = 'accepted' then",
    ]],
  },
  {
    name: "open-attempt slots",
    guards: "who cancels is given his slot back while the provider still works for him",
    edits: [[
      "genflow.occupied_slots(uuid)",
      "and a.closed_at is null and j.status in",
      "and false and j.status in",
    ]],
  },
  {
    name: "unknown state",
    guards: "a lost submit is sent again",
    edits: [["genflow.end_lease(uuid)", "elsif v_attempt.send_id is null then", "elsif true then"]],
  },
  {
    name: "mark_sending",
    guards: "what was sent by a worker that died counts as never sent",
    edits: [[
      "public.mark_sending(uuid, uuid, uuid, text)",
      "if v_attempt.send_id is null then",
      "if false then",
    ]],
  },
  {
    name: "single closing: the check and the index",
    guards: "a canceled job's credits come back twice",
    edits: [
      ["genflow.close_hold(uuid, integer)", "if v_job.credits_captured is not null then", "if false then"],
      [
        "genflow.close_hold_of_canceled(uuid)",
        "if v_job.status <> 'canceled' or v_job.credits_captured is not null",
        "if v_job.status <> 'canceled'",
      ],
    ],
    statements: ["drop index public.credit_entries_one_close"],
  },
  {
    name: "list adoption",
    guards: "another's prediction is taken for ours",
    edits: [[
      "public.record_listing(uuid, jsonb)",
      "where (item ->> 'matches')::boolean and v_attempt.seed is not null",
      "where true",
    ]],
  },
  {
    name: "late failure: the rule, and that a result counts once",
    guards: "an earlier attempt's failure moves a job that follows another",
    edits: [
      [
        "genflow.apply_failure(uuid, text, text, double precision)",
        "if v_job.attempt_id = p_attempt_id and v_job.status in",
        "if v_job.status in",
      ],
      [
        "public.settle_generation(text, uuid, jsonb)",
        "elsif v_status = any (v_terminal) and v_attempt.result_status is null then",
        "elsif v_status = any (v_terminal) then",
      ],
    ],
  },
  {
    name: "purge",
    guards: "what a lost worker stored lies there for ever",
    edits: [],
    statements: [
      `create function genflow.forget_purge() returns trigger language plpgsql as $$ begin new.done_at := genflow.clock(); return new; end $$`,
      `create trigger forget before insert on genflow.storage_purges for each row when (new.reason = 'never_recorded') execute function genflow.forget_purge()`,
    ],
  },
];

const maxSeeds = 500;
const batchSize = 5;

/** Prints mutant → seed. Answers the exit code: 1 if any was not noticed. */
export async function huntMutants(
  ground: Ground,
  options: { workers: number; only: string },
): Promise<number> {
  const chosen = mutants.filter(({ name }) => name.includes(options.only));
  let unnoticed = 0;
  for (const [at, mutant] of chosen.entries()) {
    const found = await hunt(ground, mutant, `mutant_${at}`, options.workers);
    if (found === null) unnoticed++;
    console.log(
      found === null
        ? `NOT NOTICED in ${maxSeeds} seeds: ${mutant.name} (${mutant.guards})`
        : `${mutant.name} → seed ${found.seed}: ${found.violations[0]!.slice(0, 160)}`,
    );
  }
  console.log(`${chosen.length - unnoticed} passed, ${unnoticed} failed`);
  return unnoticed === 0 ? 0 : 1;
}

/** The lowest seed of the batches that were run when one noticed. */
async function hunt(ground: Ground, mutant: Mutant, name: string, workers: number): Promise<Result | null> {
  const pool = await startPool(ground, { name, workers, alter: (sql) => takeOut(sql, mutant) });
  let next = 1;
  const noticed: Result[] = [];
  const work = async () => {
    while (noticed.length === 0 && next <= maxSeeds) {
      const first = next;
      next += batchSize;
      const results = await pool.run(Array.from({ length: batchSize }, (_, at) => first + at), true);
      const found = results.find(({ violations }) => violations.length > 0);
      if (found !== undefined) noticed.push(found);
    }
  };
  try {
    await Promise.all(Array.from({ length: workers }, work));
  } finally {
    pool.stop();
  }
  return noticed.toSorted((a, b) => a.seed - b.seed)[0] ?? null;
}

async function takeOut(sql: postgres.Sql, { name, edits, statements }: Mutant): Promise<void> {
  for (const [signature, from, to] of edits) {
    const [row] = await sql<
      { text: string }[]
    >`select pg_get_functiondef(${signature}::regprocedure) as text`;
    const text = row!.text.replace(from, to);
    if (text === row!.text) {
      throw new Error(`${name}: ${signature} does not contain what was to be taken out`);
    }
    await sql.unsafe(text);
  }
  for (const statement of statements ?? []) await sql.unsafe(statement);
}
