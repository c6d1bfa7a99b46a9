// A local stack of the test file's own, with hands on the provider, the sweep, the functions and the settings.

import postgres from "postgres";
import { type Log, type Stack, startStack } from "../../supabase/local/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { checkAftermath } from "./aftermath.ts";
import type { Target } from "./users.ts";
import { workerLimits } from "./worker-limits.ts";

export interface ControlledStack extends Stack, Target {
  readonly dataDirectory: string;
  /** As superuser, to look behind the API. */
  sql: postgres.Sql;
  /** Settings of the stand-in provider. */
  provider(settings: Record<string, unknown>): Promise<void>;
  journal(): Promise<ProviderJournal>;
  /** Runs the sweep once, as pg_cron would. */
  sweep(): Promise<void>;
  /** Sets columns of genflow.settings. */
  settings(values: Record<string, number | boolean | null>): Promise<void>;
}

export interface ProviderJournal {
  predictions: { id: string; model: string; status: string; outputs: { sha256: string }[] }[];
}

export async function startControlledStack(options: { log?: Log } = {}): Promise<ControlledStack> {
  const folder = await temporaryFolder();
  const dataDirectory = folder.path;
  const stack = await startStack({
    ...options,
    dataDirectory,
    port: 0,
    cron: false,
    workerLimits: workerLimits(),
  });
  const sql = postgres(stack.adminUrl, { max: 2, onnotice: () => {} });
  const control = async (path: string, body?: unknown) => {
    const response = await fetch(`${stack.wavespeedUrl}/control${path}`, {
      ...(body === undefined
        ? {}
        : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    if (!response.ok) throw new Error(`control answered ${response.status} ${await response.text()}`);
    return await response.json();
  };
  return {
    ...stack,
    external: false,
    dataDirectory,
    sql,
    async provider(settings) {
      await control("", settings);
    },
    journal: () => control(""),
    sweep: () => stack.cron.runNow("genflow-sweep"),
    async settings(values) {
      await sql`update genflow.settings set ${sql(values)} where singleton`;
    },
    async stop() {
      await sql.end();
      await stack.stop();
      await checkAftermath(dataDirectory).finally(() => folder.remove());
    },
  };
}
