// What a test of erasures asks for: a deletion as the auth service makes it, the Storage API's part in removing objects,
// and the way to the end.

import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { Row, TestDatabase } from "./database.ts";
import { noteStored } from "./stored-object.ts";
import { tracesOf } from "./traces.ts";

const inBuckets = ["generations", "generation-inputs"] as const;
const stepSeconds = 1800;
/** Three hours until the last attempt is given up, three until the last token and what it signed are over. */
const maxSteps = 20;

export function createEraser({ sql, kernel, sweep, advance, asUser }: TestDatabase) {
  const eraser = {
    /** As the dashboard's button does it: the auth service's role, which may do nothing in our schemas. */
    async deleteUser(userId: string): Promise<void> {
      await sql.begin(async (transaction) => {
        await transaction`set local role supabase_auth_admin`;
        const gone = await transaction`delete from auth.users where id = ${userId}`;
        expect(gone.count).toBe(1);
      });
    },

    store: (bucket: typeof inBuckets[number], name: string) => noteStored(sql, name, 1, bucket),

    /** The objects in a user's folders. */
    async objects(userId: string): Promise<string[]> {
      const rows = await sql<{ at: string }[]>`
        select bucket_id || '/' || name as at from storage.objects where starts_with(name, ${
        userId + "/"
      }) order by 1`;
      return rows.map(({ at }) => at);
    },

    /** Removes what is due, as the sweep function does; answers what it removed. */
    async removeDue(): Promise<string[]> {
      const claimId = randomUUID();
      const { purges } = await kernel.claimPurges(claimId, 1000);
      for (const bucket of inBuckets) {
        const paths = purges.filter(({ bucketId }) => bucketId === bucket).map(({ path }) => path);
        await sql.begin(async (transaction) => {
          await transaction`set local storage.allow_delete_query = 'true'`;
          await transaction`delete from storage.objects where bucket_id = ${bucket} and name = any(${paths})`;
        });
      }
      await kernel.recordPurge(claimId, purges.map(({ id }) => id));
      return purges.map(({ bucketId, path }) => `${bucketId}/${path}`).toSorted();
    },

    erasure: async (userId: string): Promise<Row | undefined> =>
      (await sql<Row[]>`select * from genflow.erasures where user_id = ${userId}`)[0],

    /** Sweeps without a warning. */
    async sweep(): Promise<void> {
      expect(await sweep()).toEqual([]);
    },

    /** Sweeps, purges and waits until the erasure is finished. */
    async finish(userId: string): Promise<void> {
      for (let step = 0; step < maxSteps; step++) {
        await eraser.sweep();
        await eraser.removeDue();
        expect(await eraser.violations()).toEqual([]);
        if (await eraser.erasure(userId) === undefined) return;
        await advance(stepSeconds);
      }
      throw new Error(`not finished: ${JSON.stringify(await eraser.erasure(userId))}`);
    },

    violations: () => sql<Row[]>`select promise, rule, detail from ops.invariant_violations`,

    traces: (text: string) => tracesOf(text, sql),

    /** Calls as the user's app, whose token is good for a while yet. */
    call: (userId: string, call: string) =>
      asUser(userId, (as) => as.unsafe(`select public.${call} as answer`)),

    ledger: () =>
      sql<
        { user_id: string; kind: string; amount: number; captured: number | null; job_id: string | null }[]
      >`
        select user_id, kind, amount, captured, job_id from public.credit_entries order by id`,
  };
  return eraser;
}
