// What the users' screens would show: each reads on from the last number it has seen, now and then, and keeps what it
// read. In the end it must show what the tables say.

import type { SimulatedDatabase } from "./database.ts";

interface Shown {
  user_id: string;
  id: string;
  seq: number;
  row: string;
}

interface Screen {
  seq: number;
  rows: Map<string, string>;
}

export interface Profiles {
  /** Everybody reads on. */
  read(): Promise<void>;
  /** Whose screen is wrong after reading on once more, and how. */
  compare(): Promise<string[]>;
}

export function createProfiles(database: SimulatedDatabase, users: readonly string[]): Profiles {
  const screens = new Map<string, Screen>(users.map((userId) => [userId, { seq: 0, rows: new Map() }]));

  /** Of each user from his number on. */
  async function rowsSince(seqs: readonly number[]): Promise<Shown[]> {
    return await database.sql<Shown[]>`
      with since as (select * from unnest(${users as string[]}::uuid[], ${seqs as number[]}::bigint[]) s (user_id, seq))
      select user_id, 'job ' || id as id, j.seq::integer, genflow.job_json(j)::text as row
      from since s join public.generation_jobs j using (user_id) where j.seq > s.seq
      union all
      select user_id, 'image ' || id, i.seq::integer, genflow.image_json(i)::text
      from since s join public.generation_images i using (user_id) where i.seq > s.seq`;
  }
  async function read(): Promise<void> {
    for (
      const { user_id, id, seq, row } of await rowsSince(users.map((userId) => screens.get(userId)!.seq))
    ) {
      const screen = screens.get(user_id)!;
      screen.rows.set(id, row);
      screen.seq = Math.max(screen.seq, seq);
    }
  }

  return {
    read,
    async compare() {
      await read();
      const wrong: string[] = [];
      for (const { user_id, id, row } of await rowsSince(users.map(() => -1))) {
        const shown = screens.get(user_id)!.rows.get(id);
        if (shown !== row) wrong.push(`${id} of ${user_id} is shown as ${shown} and is ${row}`);
      }
      return wrong;
    },
  };
}
