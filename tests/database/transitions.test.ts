import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { generationStatuses, terminalStatuses } from "../../shared/contract/mod.ts";
import { openDatabase } from "./database.ts";
import { createScenario } from "./scenario.ts";

const db = await openDatabase();
const { sql } = db;
const scenario = createScenario(db);

/** The state machine as the design draws it. */
const drawn: Record<string, string[]> = {
  queued: ["submitting", "processing", "persisting", "failed", "canceled"],
  submitting: ["queued", "processing", "persisting", "unknown", "failed", "canceled"],
  unknown: ["queued", "processing", "persisting", "failed", "canceled"],
  processing: ["queued", "persisting", "failed", "canceled"],
  persisting: ["completed", "failed"],
};

/** Whether a job that stands in `from` may be set to `to`; nothing of it stays. */
async function mayGo(jobId: string, from: string, to: string): Promise<boolean> {
  const undone = new Error("undone");
  const refused = new Error("refused");
  return await sql.begin(async (transaction) => {
    const ended = (status: string) => ["completed", "failed", "canceled"].includes(status);
    const set = (status: string) =>
      transaction`update public.generation_jobs set status = ${status}::public.generation_status, ready_at = null,
        ended_at = case when ${ended(status)} then now() end,
        error_code = case when ${status} = 'failed' then 'provider_failed' end where id = ${jobId}`;
    await transaction`set local session_replication_role = replica`;
    await set(from);
    await transaction`set local session_replication_role = origin`;
    await transaction.savepoint(() => set(to)).catch((error) => {
      expect(error).toMatchObject({ code: "23514", message: `a job cannot go from ${from} to ${to}` });
      throw refused;
    });
    throw undone;
  }).catch((error) => {
    if (error !== undone && error !== refused) throw error;
    return error === undone;
  });
}

test("exactly the drawn edges pass, and every other change of status is refused", async () => {
  const jobId = await scenario.start(await db.addUser());
  const passed: string[] = [];
  const expected: string[] = [];
  for (const from of generationStatuses) {
    for (const to of generationStatuses) {
      if (from === to) continue;
      if (await mayGo(jobId, from, to)) passed.push(`${from} → ${to}`);
      if (drawn[from]?.includes(to)) expected.push(`${from} → ${to}`);
    }
  }
  expect(passed).toEqual(expected);
  expect(passed).toHaveLength(22);
});

test("genflow.transitions is the drawing, and ended states have no way out", async () => {
  const rows = await sql<{ from_status: string; to_status: string }[]>`select * from genflow.transitions`;
  expect(new Set(rows.map((row) => `${row.from_status} → ${row.to_status}`))).toEqual(
    new Set(Object.entries(drawn).flatMap(([from, targets]) => targets.map((to) => `${from} → ${to}`))),
  );
  for (const status of terminalStatuses) expect(rows.some((row) => row.from_status === status)).toBe(false);
});

test("the contract's statuses are the database's", async () => {
  const rows = await sql<
    { status: string }[]
  >`select unnest(enum_range(null::public.generation_status)) as status`;
  expect(rows.map((row) => row.status)).toEqual([...generationStatuses]);
});

test.each(generationStatuses.filter((status) => status !== "queued"))(
  "no job begins as %s",
  async (status) => {
    await expect(sql`
    insert into public.generation_jobs (user_id, idempotency_key, request_hash, model_id, aspect_ratio, num_images,
      trace_id, credits_per_image, credits_held, status)
    values (${randomUUID()}, ${randomUUID()}, 'h', 'flux-dev', '1:1', 1, 't', 1, 1, ${status}::public.generation_status)`)
      .rejects.toThrow(`a job begins as queued, not as ${status}`);
  },
);
