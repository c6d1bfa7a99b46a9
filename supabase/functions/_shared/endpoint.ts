// One POST endpoint: body limit, authentication by @supabase/server, problems for everything that goes wrong.

import { withSupabase } from "@supabase/server";
import { corsHeaders } from "@supabase/supabase-js/cors";
import type { SupabaseClient } from "@supabase/supabase-js";
import { type Backend, errorName } from "../../../shared/backend/mod.ts";
import { problem } from "./answers.ts";
import { backendOf, log } from "./backend.ts";
import { readBody } from "./body.ts";
import { traceIdOf } from "./trace.ts";

export interface Call {
  request: Request;
  body: Uint8Array<ArrayBuffer>;
  traceId: string;
  backend: Backend;
}
export interface UserCall extends Call {
  userId: string;
}

const appCors: Record<string, string> = {
  ...corsHeaders,
  "Access-Control-Allow-Headers": `${corsHeaders["Access-Control-Allow-Headers"]}, idempotency-key`,
  "Access-Control-Expose-Headers": "retry-after, x-trace-id",
};

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** For calls that bring no deadline of their own, such as Storage's: a picture of 32 MiB must get through. */
const callDeadlineMs = 60_000;
const supabaseOptions = {
  global: {
    fetch: (input: RequestInfo | URL, init?: RequestInit) =>
      fetch(input, { ...init, signal: init?.signal ?? AbortSignal.timeout(callDeadlineMs) }),
  },
};

/** For the app: a user token is needed, browsers may call. */
export function userEndpoint(maxBytes: number, handle: (call: UserCall) => Promise<Response>) {
  const gated = (traceId: string, body: Uint8Array<ArrayBuffer>) =>
    withSupabase({ auth: "user", cors: { headers: appCors }, supabaseOptions }, async (request, ctx) => {
      const userId = ctx.userClaims?.id;
      // Third-party sign-in may name its users otherwise; the rows' owners are UUIDs.
      if (userId === undefined || !uuidForm.test(userId)) return problem("unauthorized", traceId);
      return await guarded(
        traceId,
        () =>
          handle({ request, body, traceId, userId, backend: backendOf(ctx.supabaseAdmin as SupabaseClient) }),
      );
    });
  return { fetch: (request: Request) => serve(request, maxBytes, gated, appCors) };
}

/** For machines: whoever calls proves it in the handler, and no browser is invited. */
export function machineEndpoint(maxBytes: number, handle: (call: Call) => Promise<Response>) {
  const open = (traceId: string, body: Uint8Array<ArrayBuffer>) =>
    withSupabase(
      { auth: "none", cors: "disabled", supabaseOptions },
      (request, ctx) =>
        guarded(traceId, () =>
          handle({ request, body, traceId, backend: backendOf(ctx.supabaseAdmin as SupabaseClient) })),
    );
  return { fetch: (request: Request) => serve(request, maxBytes, open, {}) };
}

async function serve(
  request: Request,
  maxBytes: number,
  gate: (traceId: string, body: Uint8Array<ArrayBuffer>) => (request: Request) => Promise<Response>,
  cors: Record<string, string>,
): Promise<Response> {
  const traceId = traceIdOf(request.headers);
  const { method, url, headers } = request;
  const body = await readBody(request, maxBytes);
  if (body === "too_large") return withHeaders(problem("payload_too_large", traceId), cors);
  if (method !== "POST" && method !== "OPTIONS") {
    return withHeaders(problem("method_not_allowed", traceId), cors);
  }
  const answer = await gate(traceId, body)(
    new Request(url, { method, headers, ...(method === "POST" ? { body } : {}) }),
  );
  // The library answers what it refuses in its own words; callers get ours.
  if (!answer.headers.has("x-supabase-server-error")) return answer;
  log("refused_at_gate", { traceId, code: answer.headers.get("x-supabase-server-error") });
  await answer.body?.cancel();
  return withHeaders(problem(answer.status === 401 ? "unauthorized" : "internal_error", traceId), cors);
}

async function guarded(traceId: string, handle: () => Promise<Response>): Promise<Response> {
  try {
    return await handle();
  } catch (error) {
    log("failed", { traceId, error: errorName(error) });
    return isTransport(error)
      ? problem("temporarily_unavailable", traceId, { retry_after_seconds: 5 })
      : problem("internal_error", traceId);
  }
}

function isTransport(error: unknown): boolean {
  return error instanceof Error && "isTransport" in error && error.isTransport === true;
}

function withHeaders(response: Response, headers: Record<string, string>): Response {
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}
