// Hosted's extension supautils lets `postgres` make policies on some tables of the platform that it does not own. It is
// C and not in our Postgres, and the official CLI is a client like any other: so the server itself lends the owners'
// roles for the length of one policy statement. Everything else that only an owner may do stays refused.

import postgres from "postgres";
import type { Cluster } from "../../supabase/local/postgres/mod.ts";

const lending = `
  create schema supautils_stand_in;
  create function supautils_stand_in.lend() returns event_trigger
  language plpgsql security definer set search_path = ''
  as $$
  begin
    if tg_event = 'ddl_command_start' then
      grant supabase_storage_admin, supabase_realtime_admin to postgres;
    else
      revoke supabase_storage_admin, supabase_realtime_admin from postgres;
    end if;
  end $$;
  create event trigger supautils_lend on ddl_command_start
    when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY') execute function supautils_stand_in.lend();
  create event trigger supautils_return on ddl_command_end
    when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY') execute function supautils_stand_in.lend();`;

/** For the database `postgres` of a scratch cluster. */
export async function standInForSupautils(cluster: Cluster): Promise<void> {
  const sql = postgres(cluster.adminUrl, { max: 1 });
  await sql.unsafe(lending).finally(() => sql.end());
}
