// Claims with a witness: in the claim's own transaction, right after it, the slots are counted again from the rows.
//
// Until that transaction commits it holds the provider's row, so no other claim comes in between, and the accounts of
// the users it claimed for, so nothing of theirs changes. Who changes a cap in a race does so under the provider's
// lock (see `changeCaps`): the cap that is read here is the one that the claim read.

import type postgres from "postgres";
import type { Rpc } from "../../../shared/backend/kernel.ts";
import { createKernel, type Kernel } from "../../../shared/backend/kernel.ts";
import type { Row } from "../database.ts";

type Transaction = postgres.TransactionSql;

export interface Witness {
  kernel: Kernel;
  /** Each claim that was made over a cap in force, as a sentence. */
  violations: string[];
  /** Claims that took something. */
  claims: number;
  end(): Promise<void>;
}

/** `kernel` on `sql`'s connections, with every claim witnessed. */
export function createWitness(sql: postgres.Sql): Witness {
  const witness: Witness = {
    kernel: createKernel(witnessed),
    violations: [],
    claims: 0,
    end: () => sql.end(),
  };

  async function witnessed(...[name, args]: Parameters<Rpc>): Promise<unknown> {
    const names = Object.keys(args);
    const call = `select public.${name}(${
      names.map((each, at) => `${each} => $${at + 1}`).join(", ")
    }) as answer`;
    const values = names.map((each) => args[each] as string);
    if (name !== "claim_generations") {
      return (await sql.unsafe<{ answer: unknown }[]>(call, values))[0]?.answer;
    }
    const answered = await sql.begin(async (transaction) => {
      const rows = await transaction.unsafe<{ answer: { claims: { userId: string }[] } }[]>(call, values);
      const { claims } = rows[0]!.answer;
      if (claims.length > 0) {
        witness.claims++;
        witness.violations.push(...await overCap(transaction, claims.map((claim) => claim.userId)));
      }
      return rows;
    });
    return answered[0]?.answer;
  }
  return witness;
}

async function overCap(transaction: Transaction, userIds: string[]): Promise<string[]> {
  // An attempt that a late task id opened again takes a slot without a claim, perhaps since this claim counted: such
  // attempts are left out of the provider's count.
  const rows = await transaction<{ whose: string; occupied: number; cap: number }[]>`
    select 'the provider' as whose, count(a.id)::integer as occupied, p.running_cap as cap
    from genflow.provider p left join genflow.attempts a on a.closed_at is null and not exists (
      select from public.generation_events e where e.job_id = a.job_id and e.attempt = a.number and e.event = 'attempt_closed')
    group by p.running_cap
    union all
    select 'user ' || a.user_id, (
        select count(*) from public.generation_jobs j where j.user_id = a.user_id
          and (j.status in ('submitting', 'unknown', 'processing', 'persisting')))::integer
      + (select count(*) from genflow.attempts t join public.generation_jobs j on j.id = t.job_id
          where t.user_id = a.user_id and t.closed_at is null and j.ended_at is not null)::integer,
      coalesce(a.running_cap, s.user_running_cap)
    from genflow.accounts a, genflow.settings s where a.user_id = any (${userIds}::uuid[])`;
  return rows.filter(({ occupied, cap }) => occupied > cap)
    .map(({ whose, occupied, cap }) => `${whose} has ${occupied} of ${cap} slots after a claim`);
}

/** Changes limits that claims read, between two claims. */
export async function changeCaps(sql: postgres.Sql, table: "settings" | "provider", values: Row) {
  await sql.begin(async (transaction) => {
    await transaction`select from genflow.provider where singleton for no key update`;
    await transaction`update ${transaction(`genflow.${table}`)} set ${transaction(values)}`;
  });
}
