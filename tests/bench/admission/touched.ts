// How many pages a statement touches: shared buffers, hit or read alike, so that a cold cache changes nothing.

import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import { request, requestHash } from "./kernel.ts";

export interface Touched {
  buffers: number;
  planningBuffers: number;
  ms: number;
}

interface PlanNode {
  "Shared Hit Blocks"?: number;
  "Shared Read Blocks"?: number;
}

interface Plan {
  Plan: PlanNode;
  Planning?: PlanNode;
  "Execution Time": number;
}

const blocks = (node: PlanNode | undefined) =>
  (node?.["Shared Hit Blocks"] ?? 0) + (node?.["Shared Read Blocks"] ?? 0);

/** What `explain` counted on the way of one statement and all that it calls. Constraint triggers at commit are not in it. */
export async function explain(
  sql: postgres.TransactionSql | postgres.ReservedSql,
  statement: string,
): Promise<Touched> {
  const [row] = await sql.unsafe<{ "QUERY PLAN": Plan[] }[]>(
    `explain (analyze, buffers, format json) ${statement}`,
  );
  const [plan] = row!["QUERY PLAN"];
  return {
    buffers: blocks(plan!.Plan),
    planningBuffers: blocks(plan!.Planning),
    ms: plan!["Execution Time"],
  };
}

export const claimOf = (jobs: number) => `select public.claim_generations('${randomUUID()}', ${jobs})`;
export const startOf = (userId: string) =>
  `select public.start_generation('${userId}', '${randomUUID()}', '${requestHash}', '${
    JSON.stringify(request)
  }', '${randomUUID()}')`;

/** Measured and taken back, so that each sample finds what the one before found. */
export async function explainAndTakeBack(sql: postgres.ReservedSql, statement: string): Promise<Touched> {
  await sql`begin`;
  try {
    return await explain(sql, statement);
  } finally {
    await sql`rollback`;
  }
}
