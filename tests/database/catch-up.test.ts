// What a client reads after a gap, straight from the tables and under row level security: the rows whose number is
// higher than its last, which it has from a search's or a push's `seq`. It costs what has changed, not what there is. GENFLOW_LIBRARY_JOBS sets the size.

import { expect, test } from "vitest";
import { openDatabase } from "./database.ts";
import { fillLibrary } from "./library.ts";

const db = await openDatabase();
const { sql } = db;

const asked = process.env["GENFLOW_LIBRARY_JOBS"];
const jobs = Number(asked ?? 12_000);
const changes = 10;
/** Pages of the database that a row may cost: 4 as a rule, some more while the server tidies up; all rows are hundreds. */
const maxBuffersARow = 15;
/** More than it takes a session to stop planning a prepared statement anew, as the data API's are. */
const calls = 7;

interface Explained {
  "QUERY PLAN": [{ Plan: Record<string, number>; "Execution Time": number }];
}

test.each(["generation_jobs", "generation_images"])(
  `the last ${changes} changes of %s among ${jobs} cost their rows, whatever the database knows of the table`,
  async (table) => {
    const [userId, otherId] = [await db.addUser(), await db.addUser()];
    await db.asUser(userId, async (as) => {
      await as.unsafe(
        `prepare since_${table} (bigint) as select * from public.${table} where seq > $1 order by seq limit 1000`,
      );
      const expectCheap = async () => {
        const [row] = await as.unsafe<Explained[]>(
          `explain (analyze, buffers, format json) execute since_${table} (${jobs - changes - 1})`,
        );
        const { Plan, "Execution Time": milliseconds } = row!["QUERY PLAN"][0];
        const buffers = Plan["Shared Hit Blocks"]! + Plan["Shared Read Blocks"]!;
        if (asked !== undefined) console.log(JSON.stringify({ table, buffers, milliseconds }));
        expect(Plan["Actual Rows"]).toBe(changes);
        expect(buffers).toBeLessThan(maxBuffersARow * changes);
      };
      const catchUp = async () => {
        for (let call = 0; call < calls; call++) {
          await expectCheap();
        }
      };
      await as.unsafe(`execute since_${table} (0)`); // planned while there was nothing
      for (const id of [otherId, userId]) await fillLibrary(sql, { userId: id, jobs, favoriteEvery: 500 });
      await catchUp();
      await sql.unsafe(`analyze public.${table}`);
      await catchUp();
    });
  },
  120_000,
);
