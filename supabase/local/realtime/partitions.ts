/**
 * The daily partitions of realtime.messages, which the service makes and not a migration: yesterday to three days
 * ahead (UTC), once a client has come. Without one for today every realtime.send() is lost with a warning. Days older
 * than 72 h are dropped.
 */

import type { Sql } from "postgres";
import type { Log } from "../log.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const DAYS_BEHIND = 1;
const DAYS_AHEAD = 3;
const KEEP_MS = 72 * 60 * 60 * 1000;
// A timer sleeps with the computer; an hourly look is never far behind the day change.
const MAX_CHECK_INTERVAL_MS = 60 * 60 * 1000;

export async function createPartitions(sql: Sql, nowMs: number): Promise<void> {
  for (let day = -DAYS_BEHIND; day <= DAYS_AHEAD; day++) {
    const from = dayOf(nowMs + day * DAY_MS);
    const to = dayOf(nowMs + (day + 1) * DAY_MS);
    const name = `messages_${from.replaceAll("-", "_")}`;
    // Looked up first: `create table … partition of` locks the whole table even where it has nothing to do.
    const [found] = await sql<{ exists: boolean }[]>`
      select to_regclass(${`realtime.${name}`}) is not null as exists`;
    if (found?.exists) continue;
    await sql.unsafe(
      `create table if not exists realtime.${name} partition of realtime.messages ` +
        `for values from ('${from}') to ('${to}')`,
    );
    await sql.unsafe(`alter table realtime.${name} owner to supabase_realtime_admin`);
  }
}

export async function dropOldPartitions(sql: Sql, nowMs: number): Promise<void> {
  const oldestKept = dayOf(nowMs - KEEP_MS);
  const partitions = await sql<{ name: string }[]>`
    select child.relname as name
    from pg_catalog.pg_inherits
    join pg_catalog.pg_class child on child.oid = inhrelid
    where inhparent = 'realtime.messages'::regclass`;
  for (const { name } of partitions) {
    const [, year, month, day] = /^messages_(\d{4})_(\d{2})_(\d{2})$/.exec(name) ?? [];
    if (day === undefined || `${year}-${month}-${day}` >= oldestKept) continue;
    await sql.unsafe(`drop table if exists realtime.${name}`);
  }
}

/** Makes the partitions now and again at each change of day. */
export async function keepPartitions(sql: Sql, log: Log): Promise<{ stop(): void }> {
  let timer: NodeJS.Timeout | null = null;
  const work = async () => {
    await createPartitions(sql, Date.now());
    await dropOldPartitions(sql, Date.now());
  };
  const schedule = () => {
    const untilMidnightMs = DAY_MS - Date.now() % DAY_MS;
    timer = setTimeout(
      () => void work().catch((error) => log(`realtime: partitions: ${error}`)).finally(schedule),
      Math.min(untilMidnightMs, MAX_CHECK_INTERVAL_MS),
    );
    timer.unref();
  };
  await work();
  schedule();
  return { stop: () => void (timer === null || clearTimeout(timer)) };
}

function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, "2000-01-01".length);
}
