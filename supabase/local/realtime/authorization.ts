/**
 * Who may read or write a private topic, asked the way hosted asks: the policies on realtime.messages decide over
 * probe rows, inside a transaction that is always rolled back. Probe rows carry topic and extension only, so a
 * policy that looks at `event`, `payload` or `private` cannot work here either.
 */

import { randomUUID } from "node:crypto";
import postgres, { type ReservedSql, type Sql } from "postgres";
import { Refusal } from "./refusal.ts";
import type { JwtClaims } from "./token.ts";

export type Extension = "broadcast" | "presence";

/** Whose policies are asked about which topic. */
export interface Asker {
  /** The bare name, without `realtime:`. */
  topic: string;
  claims: JwtClaims;
  /** The `x-…` headers of the handshake; policies read them through `request.headers`. */
  headers: Record<string, string>;
}

export interface ReadRights {
  broadcast: boolean;
  presence: boolean;
}

const INSUFFICIENT_PRIVILEGE = "42501";
const NO_PARTITION_FOR_ROW = "23514";

/** Throws Refusal where the database cannot be asked. `presence` is asked only where the channel has it enabled. */
export async function askReadRights(sql: Sql, asker: Asker, presence: boolean): Promise<ReadRights> {
  const extensions: Extension[] = presence ? ["broadcast", "presence"] : ["broadcast"];
  const probes = extensions.map((extension) => ({ extension, id: randomUUID() }));
  const visible = await inRolledBackTransaction(sql, async (session) => {
    for (const { id, extension } of probes) {
      await session`
        insert into realtime.messages (id, topic, extension, inserted_at, updated_at)
        values (${id}, ${asker.topic}, ${extension}, now(), now())`.catch(asUnavailable);
    }
    await become(session, asker);
    const rows = await session<{ id: string }[]>`
      select id::text from realtime.messages where id = any(${probes.map(({ id }) => id)}::uuid[])`
      .catch(deniedWithNothing);
    return new Set(rows.map(({ id }) => id));
  });
  const sees = (wanted: Extension) =>
    probes.some(({ extension, id }) => extension === wanted && visible.has(id));
  return { broadcast: sees("broadcast"), presence: sees("presence") };
}

export async function askWriteRight(sql: Sql, asker: Asker, extension: Extension): Promise<boolean> {
  return await inRolledBackTransaction(sql, async (session) => {
    await become(session, asker);
    // No `returning`: that would ask the select policies too.
    return await session`
      insert into realtime.messages (id, topic, extension, inserted_at, updated_at)
      values (${randomUUID()}, ${asker.topic}, ${extension}, now(), now())`
      .then(() => true, (error: unknown) => {
        if (postgresCode(error) === INSUFFICIENT_PRIVILEGE) return false;
        return asUnavailable(error);
      });
  });
}

// Every setting is local to the transaction. A null `sub` (the API keys have none) becomes the empty string, which
// auth.uid() reads as null.
async function become(session: ReservedSql, asker: Asker): Promise<void> {
  const { claims, topic, headers } = asker;
  const sub = typeof claims["sub"] === "string" ? claims["sub"] : "";
  await session`
    select set_config('realtime.topic', ${topic}, true),
           set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
           set_config('request.jwt.claim.sub', ${sub}, true),
           set_config('request.jwt.claim.role', ${claims.role}, true),
           set_config('request.headers', ${JSON.stringify(headers)}, true),
           set_config('role', ${claims.role}, true)`.catch(asUnavailable);
}

async function inRolledBackTransaction<T>(sql: Sql, ask: (session: ReservedSql) => Promise<T>): Promise<T> {
  const session = await sql.reserve().catch(asUnavailable);
  try {
    await session`begin`.catch(asUnavailable);
    try {
      return await ask(session);
    } finally {
      await session`rollback`.catch(asUnavailable);
    }
  } finally {
    session.release();
  }
}

function deniedWithNothing(error: unknown): { id: string }[] {
  if (postgresCode(error) !== null) return [];
  return asUnavailable(error);
}

// A policy that raises is a denial; this is a database that could not be asked.
function asUnavailable(error: unknown): never {
  if (error instanceof Refusal) throw error;
  throw postgresCode(error) === NO_PARTITION_FOR_ROW
    ? new Refusal("MissingPartition", "Realtime was unable to find the expected messages partition", error)
    : new Refusal("UnableToSetPolicies", "Realtime was unable to connect to the project database", error);
}

function postgresCode(error: unknown): string | null {
  return error instanceof postgres.PostgresError ? error.code : null;
}
