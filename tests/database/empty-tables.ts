// Forgets everything that a test or a seed has left in its database.

import type postgres from "postgres";

const emptied = [
  "genflow.thumbnails",
  "public.generation_images",
  "public.generation_events",
  "public.generation_prompts",
  "genflow.second_tasks",
  "genflow.undelivered_erased",
  "genflow.attempts",
  "public.generation_jobs",
  "public.credit_entries",
  "genflow.accounts",
  "genflow.erasures",
  "genflow.spend",
  "genflow.storage_purges",
  "genflow.sweeps",
  "genflow.settings",
  "genflow.provider",
  "genflow.harness",
  "genflow.sweep_state",
  "genflow.estimates",
  "genflow.queue_marks",
  "realtime.messages",
  "storage.objects",
  "vault.secrets",
  "net.http_request_queue",
  "auth.users",
];

/** No users, no jobs, wide-open limits. */
export async function emptyTables(sql: postgres.Sql): Promise<void> {
  await sql.begin(async (transaction) => {
    // No triggers: what is append-only in the product goes too.
    await transaction.unsafe(`set local session_replication_role = replica;
      ${emptied.map((table) => `delete from ${table};`).join("\n")}
      insert into genflow.harness default values;
      insert into genflow.sweep_state default values;
      insert into genflow.settings (user_running_cap, user_pending_cap, user_start_burst, user_starts_per_minute)
        values (1000, 1000, 1000, 1000);
      insert into genflow.provider (running_cap, start_burst, starts_per_minute) values (1000, 1000, 1000);
      update public.generation_models set enabled = true where not enabled;`);
  });
}
