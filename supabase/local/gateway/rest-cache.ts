// What the Data API keeps of the database, and lets go when the database says so: on the channel `pgrst`, where
// hosted's event triggers report each change of the schema ("reload schema"), and who changed a role's settings says
// "reload config".

import postgres from "postgres";
import type { RoleSettings } from "./rest-connection.ts";
import { createSafeUpdate, type SafeUpdate } from "./safeupdate.ts";
import { readSqlCatalog } from "./sql-catalog.ts";

export interface RestCache {
  settingsOf: RoleSettings;
  safeUpdate(): Promise<SafeUpdate>;
  /** Call `reload` whenever the schema may have changed. Answers once it listens. */
  watch(reload: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

type Settings = ReadonlyMap<string, ReadonlyMap<string, string>>;

const none: ReadonlyMap<string, string> = new Map();

export function createRestCache(adminUrl: string): RestCache {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {}, connection: { application_name: "rest" } });
  const settings = keep(() => readSettings(sql));
  const safeUpdate = keep(() => readSqlCatalog(sql).then(createSafeUpdate));
  return {
    settingsOf: async (role) => (await settings.get()).get(role) ?? none,
    safeUpdate: safeUpdate.get,
    async watch(reload) {
      const all = async () => {
        settings.drop();
        safeUpdate.drop();
        await reload();
      };
      await sql.listen("pgrst", (payload) => {
        if (payload === "reload config") settings.drop();
        else void all();
      }, () => void all()); // what changed while the connection was away was not heard
    },
    close: () => sql.end(),
  };
}

/** Reads at the first wish, and again after a failure or a `drop`. */
function keep<Value>(read: () => Promise<Value>): { get: () => Promise<Value>; drop: () => void } {
  let value: Promise<Value> | null = null;
  return {
    get() {
      value ??= read().catch((error: unknown) => {
        value = null;
        throw error;
      });
      return value;
    },
    drop() {
      value = null;
    },
  };
}

/** Only settings that any user may change, since they are set under the caller's role. */
async function readSettings(sql: postgres.Sql): Promise<Settings> {
  const rows = await sql<{ role: string; name: string; value: string }[]>`
    select r.rolname as role, s.name, substr(kept, strpos(kept, '=') + 1) as value
    from pg_catalog.pg_roles r
      cross join unnest(r.rolconfig) as kept
      join pg_catalog.pg_settings s on s.name = split_part(kept, '=', 1) and s.context = 'user'
    where pg_catalog.pg_has_role('authenticator', r.oid, 'member')`;
  const byRole = Map.groupBy(rows, ({ role }) => role);
  return new Map([...byRole].map(([role, found]) => [
    role,
    new Map(found.map(({ name, value }) => [name, value])),
  ]));
}
