// One POST endpoint: body limit, authentication by @supabase/server, problems for everything that goes wrong, and
// one line in the log.

import { withSupabase } from "@supabase/server";
import { corsHeaders } from "@supabase/supabase-js/cors";
import type { SupabaseClient } from "@supabase/supabase-js";
import {
  type Backend,
  createLog,
  errorFields,
  type FunctionName,
  type RequestLog,
} from "../../../shared/backend/mod.ts";
import { type Asked, problem } from "./answers.ts";
import { backendOf } from "./backend.ts";
import { readBody } from "./body.ts";
import { traceIdOf } from "./trace.ts";

export interface Call extends Asked {
  request: Request;
  body: Uint8Array<ArrayBuffer>;
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
/** For calls that bring no deadline of their own, such as Storage's: a reference image of 20 MiB must get through. */
const callDeadlineMs = 60_000;
const supabaseOptions = {
  global: {
    fetch: (input: RequestInfo | URL, init?: RequestInit) =>
      fetch(input, { ...init, signal: init?.signal ?? AbortSignal.timeout(callDeadlineMs) }),
  },
};

type Answerer = (request: Request) => Promise<Response>;
/** What is made of a request once its body is read. */
type Gate = (arrived: Arrived) => Answerer;
type Arrived = Omit<Call, "request" | "backend"> & { log: RequestLog };

/** For the app: a user token is needed, browsers may call. */
export function userEndpoint(
  name: FunctionName,
  maxBytes: number,
  handle: (call: UserCall) => Promise<Response>,
) {
  const gate: Gate = ({ log, ...arrived }) =>
    withSupabase({ auth: "user", cors: { headers: appCors }, supabaseOptions }, async (request, ctx) => {
      const userId = ctx.userClaims?.id;
      // Third-party sign-in may name its users otherwise; the rows' owners are UUIDs.
      if (userId === undefined || !uuidForm.test(userId)) return problem("unauthorized", arrived);
      log.line.add({ user_id: userId });
      return await guarded(arrived, () => {
        const backend = backendOf(ctx.supabaseAdmin as SupabaseClient, log);
        return handle({ ...arrived, request, userId, backend });
      });
    });
  return {
    fetch: (request: Request) =>
      serve(request, { name, maxBytes, gate, cors: appCors, methods: ["POST", "OPTIONS"] }),
  };
}

/** For machines: whoever calls proves it in the handler, and no browser is invited. */
export function machineEndpoint(
  name: FunctionName,
  maxBytes: number,
  handle: (call: Call) => Promise<Response>,
) {
  const gate: Gate = ({ log, ...arrived }) =>
    withSupabase(
      { auth: "none", cors: "disabled", supabaseOptions },
      (request, ctx) =>
        guarded(arrived, () => {
          const backend = backendOf(ctx.supabaseAdmin as SupabaseClient, log);
          return handle({ ...arrived, request, backend });
        }),
    );
  return {
    fetch: (request: Request) => serve(request, { name, maxBytes, gate, cors: {}, methods: ["POST"] }),
  };
}

interface Endpoint {
  name: FunctionName;
  maxBytes: number;
  gate: Gate;
  cors: Record<string, string>;
  /** OPTIONS is answered where browsers may call. */
  methods: readonly string[];
}

/** Answers, and writes the request's one line whatever happens. */
async function serve(request: Request, endpoint: Endpoint): Promise<Response> {
  const traceId = traceIdOf(request.headers);
  const log = createLog({
    write: (line) => console.log(line),
    now: Date.now,
    function: endpoint.name,
    traceId,
  });
  const asked = { traceId, line: log.line };
  const answer = await answerTo(request, endpoint, log, asked).catch((error: unknown) => {
    log.line.add(errorFields(error));
    return withHeaders(problem("internal_error", asked), endpoint.cors);
  });
  log.end({ method: request.method, status: answer.status });
  return answer;
}

async function answerTo(
  request: Request,
  { maxBytes, gate, cors, methods }: Endpoint,
  log: RequestLog,
  asked: Asked,
): Promise<Response> {
  const { method, url, headers } = request;
  const body = await readBody(request, maxBytes).catch((error: unknown) => {
    log.line.add({ outcome: "aborted" }); // the caller went away: no fault of ours
    throw error;
  });
  if (body === "too_large") return withHeaders(problem("payload_too_large", asked), cors);
  log.line.add({ body_bytes: body.byteLength });
  if (!methods.includes(method)) {
    return withHeaders(problem("method_not_allowed", asked), cors);
  }
  const answer = await gate({ ...asked, body, log })(
    new Request(url, { method, headers, ...(method === "POST" ? { body } : {}) }),
  );
  // The library answers what it refuses in its own words; callers get ours.
  const gateCode = answer.headers.get("x-supabase-server-error");
  if (gateCode === null) return answer;
  log.line.add({ gate_code: gateCode });
  await answer.body?.cancel();
  return withHeaders(problem(answer.status === 401 ? "unauthorized" : "internal_error", asked), cors);
}

async function guarded(asked: Asked, handle: () => Promise<Response>): Promise<Response> {
  try {
    return await handle();
  } catch (error) {
    asked.line.add(errorFields(error));
    return isTransport(error)
      ? problem("temporarily_unavailable", asked, { retry_after_seconds: 5 })
      : problem("internal_error", asked);
  }
}

function isTransport(error: unknown): boolean {
  return error instanceof Error && "isTransport" in error && error.isTransport === true;
}

function withHeaders(response: Response, headers: Record<string, string>): Response {
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}
