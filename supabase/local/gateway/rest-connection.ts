// The Data API's way into the database: logs in as `authenticator`, becomes the caller's role, and brings that role's
// settings along, since `set role` alone does not.

import type { ConnectionContextOptions, VarsContext } from "@supabase/lite";
import { type IPostgresConnectionConfig, PostgresConnection } from "@supabase/lite/postgres";
import { AsyncLocalStorage } from "node:async_hooks";
import postgres from "postgres";
import type { DatabaseError } from "./rest-errors.ts";
import { restTypes } from "./rest-types.ts";
import type { Unfiltered } from "./safeupdate.ts";

/** What one request carries to its transaction, and the database's error back from it. */
export interface RestRequest {
  /** The statement that hosted's safeupdate refuses, if the request leads to one. */
  unfiltered: Unfiltered | null;
  /** Of the called function: its own `set statement_timeout`. */
  statementTimeout: string | null;
  error?: DatabaseError;
}

export type RoleSettings = (role: string) => Promise<ReadonlyMap<string, string>>;

type Database = Parameters<Parameters<PostgresConnection["withContext"]>[1]>[0];

const MAX_CONNECTIONS = 20;
const SEARCH_PATH = "public, extensions"; // hosted: the exposed schema and the extra search path

/** Set around each request. */
export const restRequest = new AsyncLocalStorage<RestRequest>();

export class RestConnection extends PostgresConnection {
  readonly #catalog: PostgresConnection;
  readonly #settingsOf: RoleSettings;
  #reloads = 0;

  /** `adminUrl`: the superuser's, for the catalogue. information_schema shows the authenticator nothing. */
  constructor(adminUrl: string, settingsOf: RoleSettings) {
    const url = new URL(adminUrl);
    url.username = "authenticator";
    super(connectionConfig(url.href, MAX_CONNECTIONS));
    this.#catalog = new PostgresConnection(connectionConfig(adminUrl, 1));
    this.#settingsOf = settingsOf;
    // Left to itself, lite looks once whether any table has row level security and then grants ALL on every table of
    // that schema to anon, authenticated and service_role. That would hide each GRANT a migration forgot.
    Reflect.set(this, "rlsState", "active");
  }

  override async introspect(options?: { useCache?: boolean }) {
    const before = this.#reloads;
    const found = await this.#catalog.introspect(options);
    if (this.#reloads !== before) await this.#catalog.clearSchemaCache(); // what was just read is older than the news
    return found;
  }

  override viewOptionsMetadata(name: string, schema: string) {
    return this.#catalog.viewOptionsMetadata(name, schema);
  }

  override clearSchemaCache(): Promise<void> {
    this.#reloads++;
    return this.#catalog.clearSchemaCache();
  }

  override async withContext<T>(
    vars: VarsContext | undefined,
    run: (database: Database) => Promise<T>,
    options?: ConnectionContextOptions,
  ): Promise<T> {
    const request = restRequest.getStore();
    const role = roleOf(vars);
    const settings = new Map(await this.#settingsOf(role)).set("search_path", SEARCH_PATH);
    if (request?.statementTimeout) settings.set("statement_timeout", request.statementTimeout);
    try {
      return await super.withContext(vars, async (database) => {
        if (vars) await setLocally(database, settings);
        const answer = await run(database);
        // Thrown inside the transaction, so that what was done is undone.
        if (request?.unfiltered) throw refusal(request.unfiltered);
        return answer;
      }, options);
    } catch (error) {
      if (request && error instanceof postgres.PostgresError) request.error = error;
      if (request && error instanceof SafeUpdateError) request.error = error;
      throw error;
    }
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#catalog.close()]);
  }
}

function roleOf(vars: VarsContext | undefined): string {
  const auth: { role?: unknown } = vars?.auth ?? {};
  return typeof auth.role === "string" ? auth.role : "anon";
}

class SafeUpdateError extends Error implements DatabaseError {
  readonly code = "21000";
}

function refusal({ command }: Unfiltered): SafeUpdateError {
  return new SafeUpdateError(`${command} requires a WHERE clause`);
}

async function setLocally(database: Database, settings: ReadonlyMap<string, string>): Promise<void> {
  await database.selectNoFrom((build) =>
    [...settings].map(([name, value], at) =>
      build.fn("set_config", [build.val(name), build.val(value), build.val(true)]).as(`setting_${at}`)
    )
  ).execute();
}

function connectionConfig(url: string, max: number): IPostgresConnectionConfig {
  return {
    url,
    postgresOptions: {
      types: restTypes,
      max,
      onnotice: () => {},
      connection: { application_name: "rest" },
    },
  };
}
