// What the users' screens would show: each reads on from the last number it has seen, now and then, and keeps what it
// read. In the end it must show what the tables say.

import type { SimulatedDatabase } from "./database.ts";

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

  async function rowsSince(userId: string, seq: number): Promise<{ id: string; seq: number; row: string }[]> {
    return await database.sql<{ id: string; seq: number; row: string }[]>`
      select 'job ' || id as id, seq::integer, genflow.job_json(j)::text as row
      from public.generation_jobs j where user_id = ${userId} and seq > ${seq}
      union all
      select 'image ' || id, seq::integer, genflow.image_json(i)::text
      from public.generation_images i where user_id = ${userId} and seq > ${seq}`;
  }
  async function read(): Promise<void> {
    for (const [userId, screen] of screens) {
      for (const { id, seq, row } of await rowsSince(userId, screen.seq)) {
        screen.rows.set(id, row);
        screen.seq = Math.max(screen.seq, seq);
      }
    }
  }

  return {
    read,
    async compare() {
      await read();
      const wrong: string[] = [];
      for (const [userId, { rows }] of screens) {
        for (const { id, row } of await rowsSince(userId, -1)) {
          if (rows.get(id) !== row) {
            wrong.push(`${id} of ${userId} is shown as ${rows.get(id)} and is ${row}`);
          }
        }
      }
      return wrong;
    },
  };
}
