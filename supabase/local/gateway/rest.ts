// /rest/v1: the Data API, answered by @supabase/lite used as a library. Its faults are passed here, each with its reason.

import { AsyncLocalStorage } from "node:async_hooks";
import type { ApiKeyResolver } from "@supabase/lite";
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { type Caller, type Callers, refuseKey } from "./caller.ts";
import type { Log } from "../log.ts";
import { restTypes } from "./rest-types.ts";

export interface Rest {
  handle(request: Request): Promise<Response>;
  stop(): Promise<void>;
}

export interface RestOptions {
  adminUrl: string;
  callers: Callers;
  log: Log;
}

const MAX_ROWS = 1000; // hosted's default
const MAX_CONNECTIONS = 20;
const STATEMENT_TIMEOUT_MS = 8000; // hosted: the authenticator role's, for statements and locks alike

// Lite prints the whole database error of every refused request, a row's values included, to the console. Values
// do not belong in a log, and a refused request is not news: within lite the console is mute; 500s are logged below.
const withinLite = new AsyncLocalStorage<true>();
const printError = console.error;
console.error = (...values: unknown[]) => {
  if (!withinLite.getStore()) printError(...values);
};

export async function startRest({ adminUrl, callers, log }: RestOptions): Promise<Rest> {
  const connection = createPostgresConnection({
    url: adminUrl,
    postgresOptions: {
      types: restTypes,
      max: MAX_CONNECTIONS,
      onnotice: () => {},
      connection: {
        application_name: "rest",
        statement_timeout: STATEMENT_TIMEOUT_MS,
        lock_timeout: STATEMENT_TIMEOUT_MS,
      },
    },
  });
  // Left to itself, lite looks once whether any table has row level security and then grants ALL on every table of
  // that schema to anon, authenticated and service_role. That would hide each GRANT a migration forgot.
  Reflect.set(connection, "rlsState", "active");

  // Lite verifies HS256 tokens only. The gateway has verified the caller already and hands the claims over through
  // lite's own seam for API keys, so no second token exists.
  const callerOf = new WeakMap<Request, Caller>();
  const resolver: ApiKeyResolver = (_key, context) => {
    const caller = callerOf.get(context.req.raw);
    if (!caller) return Promise.resolve(null);
    const type = caller.role === "service_role" ? "secret" : "publishable";
    return Promise.resolve({ type, claims: { ...caller.claims, role: caller.role } });
  };
  const app = new App({
    connection,
    api: { enabled: true, schemas: ["public"], max_rows: MAX_ROWS },
    auth: { enabled: false },
    storage: { enabled: false },
    studio: { enabled: false },
    // admin: keyless requests from this machine would run as service_role.
    options: { server: { admin: false, disableStudio: true, apiKeys: { resolver } } },
  });
  await app.init();
  await connection.introspect({ useCache: true }); // 80 to 165 ms that the first request would pay

  return {
    async handle(request) {
      const url = new URL(request.url);
      const path = url.pathname;
      const identity = await callers.identify(request.headers, url, "required");
      if (!identity.caller) return refuse(identity.refused);
      const headers = new Headers(request.headers);
      headers.delete("authorization");
      headers.set("apikey", "verified");
      headers.delete("user-agent"); // lite refuses secret keys from browsers; that was checked with the real key
      const passed = new Request(request, { headers });
      callerOf.set(passed, identity.caller);
      const response = await withinLite.run(true, () => app.fetch(passed));
      if (response.status >= 500) log(`rest: ${request.method} ${path} answered ${response.status}`);
      return response;
    },
    stop: () => connection.close(),
  };
}

function refuse(refused: Parameters<typeof refuseKey>[0]): Response {
  const wrongKey = refuseKey(refused);
  if (wrongKey) return wrongKey;
  const [code, message] = refused === "expired"
    ? ["PGRST303", "JWT expired"]
    : ["PGRST301", "No suitable key or wrong key type"];
  return Response.json({ code, message, details: null, hint: null }, {
    status: 401,
    headers: { "www-authenticate": `Bearer error="invalid_token", error_description="${message}"` },
  });
}
