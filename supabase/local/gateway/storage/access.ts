// The database as one caller may see it: every statement runs in a transaction under the caller's role and claims.

import postgres, { type Sql, type TransactionSql } from "postgres";
import type { Caller } from "../caller.ts";
import { fromDatabase } from "./errors.ts";

export type Work<T> = (db: TransactionSql) => Promise<T>;

export interface Access {
  as<T>(caller: Caller, operation: string, work: Work<T>): Promise<T>;
  /** Does the work as the caller and undoes it: the permission test that comes before the bytes. */
  rehearse(caller: Caller, operation: string, work: Work<unknown>): Promise<void>;
  /** As the storage service itself: past row level security. */
  asService<T>(work: Work<T>): Promise<T>;
  stop(): Promise<void>;
}

/** As whom the storage service itself reads and writes. */
export const service: Caller = { role: "service_role", userId: null, claims: { role: "service_role" } };

class Undo extends Error {}

export function openAccess(adminUrl: string): Access {
  const sql = postgres(adminUrl, { onnotice: () => {}, connection: { application_name: "storage" } });
  return {
    as: (caller, operation, work) => perform(sql, caller, operation, work),
    asService: (work) => perform(sql, service, "storage.service", work),
    async rehearse(caller, operation, work) {
      try {
        await perform(sql, caller, operation, async (db) => {
          await work(db);
          throw new Undo();
        });
      } catch (error) {
        if (!(error instanceof Undo)) throw error;
      }
    },
    stop: () => sql.end({ timeout: 1 }),
  };
}

async function perform<T>(sql: Sql, caller: Caller, operation: string, work: Work<T>): Promise<T> {
  const outcome = await sql.begin(async (db) => {
    // storage.allow_delete_query: deletes must come through this service, which also removes the file.
    await db`select set_config('role', ${caller.role}, true),
      set_config('request.jwt.claim.role', ${caller.role}, true),
      set_config('request.jwt.claim.sub', ${caller.userId ?? ""}, true),
      set_config('request.jwt.claims', ${JSON.stringify(caller.claims)}, true),
      set_config('storage.operation', ${operation}, true),
      set_config('storage.allow_delete_query', 'true', true)`;
    return { value: await work(db) };
  }).catch((error: unknown) => {
    throw fromDatabase(error);
  });
  return outcome.value;
}
