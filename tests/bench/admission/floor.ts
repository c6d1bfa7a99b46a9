// The floor: as many calls a job as ours makes, each the update of one row by its primary key, on one table without
// rules. No queue that keeps a job's state in Postgres in that many transactions can be faster.

import type { Plot } from "../ground.ts";
import { runClients } from "../window.ts";
import type { Contestant } from "./contestant.ts";

export async function layFloor(plot: Plot, rows: number): Promise<void> {
  await plot.admin.unsafe(`create table public.floor (id bigint primary key, state integer not null);
    insert into public.floor select id, 0 from generate_series(1, ${rows}) id;
    grant select, update on public.floor to service_role;`);
  await plot.admin`vacuum analyze public.floor`;
}

export function enterFloor(
  plot: Plot,
  clients: number,
  { callsPerJob, rows }: { callsPerJob: number; rows: number },
): Contestant {
  const sql = plot.connect(clients, { role: "service_role" });
  let turn = 0;
  return {
    name: "floor",
    run: (durationMs) =>
      runClients(clients, durationMs, async () => {
        // The job's row is there already; each call sets its state.
        const id = turn++ % rows + 1;
        for (let state = 1; state <= callsPerJob; state++) {
          await sql.unsafe("update public.floor set state = $1 where id = $2 returning id", [state, id], {
            prepare: true,
          });
        }
        return 1;
      }),
    leave: () => sql.end(),
  };
}
