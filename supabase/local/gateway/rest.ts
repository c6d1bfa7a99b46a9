// /rest/v1: the Data API, answered by @supabase/lite used as a library. Its faults are passed here, each with its reason.

import type { ApiKeyResolver } from "@supabase/lite";
import { App } from "@supabase/lite";
import type { Log } from "../log.ts";
import { type Caller, type Callers, refuseKey } from "./caller.ts";
import { createRestCache } from "./rest-cache.ts";
import { RestConnection, type RestRequest, restRequest } from "./rest-connection.ts";
import { corrected } from "./rest-errors.ts";
import type { SafeUpdate } from "./safeupdate.ts";
import type { Event } from "./sql-commands.ts";

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
const SCHEMA = "public";

// Lite prints the whole database error of every refused request, a row's values included, to the console. Values
// do not belong in a log, and a refused request is not news: within lite the console is mute; 500s are logged below.
const printError = console.error;
console.error = (...values: unknown[]) => {
  if (!restRequest.getStore()) printError(...values);
};

export async function startRest({ adminUrl, callers, log }: RestOptions): Promise<Rest> {
  const cache = createRestCache(adminUrl);
  const connection = new RestConnection(adminUrl, cache.settingsOf);

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
    api: { enabled: true, schemas: [SCHEMA], max_rows: MAX_ROWS, pg_safe_update: true },
    auth: { enabled: false },
    storage: { enabled: false },
    studio: { enabled: false },
    // admin: keyless requests from this machine would run as service_role.
    options: { server: { admin: false, disableStudio: true, apiKeys: { resolver } } },
  });
  await app.init();
  await cache.watch(() => connection.clearSchemaCache());
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
      const carried = carry(await cache.safeUpdate(), request, path);
      const answer = await restRequest.run(carried, () => app.fetch(passed));
      const response = carried.error
        ? await corrected(answer, carried.error, identity.caller.role === "anon")
        : answer;
      if (response.status >= 500) log(`rest: ${request.method} ${path} answered ${response.status}`);
      return response;
    },
    stop: async () => {
      await Promise.all([connection.close(), cache.close()]);
    },
  };
}

const eventOf: Record<string, Event> = { POST: "insert", PATCH: "update", DELETE: "delete" };

function carry(safeUpdate: SafeUpdate, request: Request, path: string): RestRequest {
  const [name = "", called] = decodeURIComponent(path).split("/").slice(3).filter(Boolean);
  if (name === "rpc" && called) {
    const call = `${SCHEMA}.${called}`;
    return { unfiltered: safeUpdate.find([{ call }]), statementTimeout: safeUpdate.statementTimeout(call) };
  }
  const event = eventOf[request.method];
  const upserts = request.method === "PUT" || /resolution=/.test(request.headers.get("prefer") ?? "");
  const events = upserts ? ["insert", "update"] as const : event ? [event] : [];
  const unfiltered = safeUpdate.find(events.map((each) => ({ write: `${SCHEMA}.${name}`, event: each })));
  return { unfiltered, statementTimeout: null };
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
