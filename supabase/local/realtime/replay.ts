// Messages of the last days, told to a channel that asks for them when it joins. Only what the database sent is
// stored: a client's own broadcasts are never replayed.

import type { Sql } from "postgres";
import { object } from "./join.ts";
import { Refusal } from "./refusal.ts";

const MAX_MESSAGES = 25;

export interface ReplayedMessage {
  id: string;
  event: string;
  payload: unknown;
}

/** The newest 25 at most since `since` (ms since 1970), oldest first. Throws Refusal. */
export async function replay(sql: Sql, topic: string, isPrivate: boolean, asked: unknown) {
  if (!isPrivate) throw new Refusal("UnableToReplayMessages", "Replay is not allowed for public channels");
  const { since = 0, limit = MAX_MESSAGES } = object(asked);
  if (!Number.isInteger(since) || !Number.isInteger(limit)) {
    throw new Refusal("UnableToReplayMessages", "Replay params are not valid");
  }
  const count = Math.max(1, Math.min(Number(limit), MAX_MESSAGES));
  const newest = await sql<ReplayedMessage[]>`
    select id::text, event, payload
    from realtime.messages
    where topic = ${topic} and private and extension = 'broadcast' and payload is not null
      and inserted_at >= to_timestamp(${Number(since)}::float8 / 1000) at time zone 'utc'
      and inserted_at < now() at time zone 'utc' + interval '1 minute'
    order by inserted_at desc, id
    limit ${count}`.catch((cause: unknown) => {
    throw new Refusal("UnableToReplayMessages", "Realtime was unable to replay messages", cause);
  });
  return [...newest].reverse();
}
