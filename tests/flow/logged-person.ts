// A user whose every secret is known, how a test calls the API as that user, and what came of it.

import { randomBytes } from "node:crypto";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import type { StackKeys } from "../../supabase/local/keys.ts";
import type { ControlledStack } from "./controlled-stack.ts";
import type { Target } from "./users.ts";

export interface Person {
  client: SupabaseClient;
  userId: string;
  email: string;
  password: string;
  accessToken: string;
  refreshToken: string;
}

export async function signUp(target: Target): Promise<Person> {
  const client = createClient(target.url, target.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const email = `zq-mail-${randomBytes(8).toString("hex")}@example.com`;
  const password = `zq-password-${randomBytes(8).toString("hex")}`;
  const { data, error } = await client.auth.signUp({ email, password });
  if (error || !data.session) throw error ?? new Error("no session");
  const { user, access_token: accessToken, refresh_token: refreshToken } = data.session;
  return { client, userId: user.id, email, password, accessToken, refreshToken };
}

/** One request's trace, as a W3C header. */
export function newTrace(): { traceId: string; header: { traceparent: string } } {
  const traceId = randomBytes(16).toString("hex");
  return { traceId, header: { traceparent: `00-${traceId}-${randomBytes(8).toString("hex")}-01` } };
}

export interface Called {
  method: string;
  path: string;
  status: number;
  traceId: string;
  body: unknown;
}

/** A call with the user's token and a trace of its own. Headers may replace those. */
export async function callAs(
  { accessToken }: Person,
  target: Target,
  path: string,
  { method = "POST", body, headers = {} }: {
    method?: string;
    body?: unknown;
    headers?: Record<string, string>;
  } = {},
): Promise<Called> {
  const { traceId, header } = newTrace();
  const response = await fetch(target.url + path, {
    method,
    headers: {
      apikey: target.publishableKey,
      authorization: `Bearer ${accessToken}`,
      "content-type": "application/json",
      ...header,
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    method,
    path,
    status: response.status,
    traceId,
    body: text.startsWith("{") ? JSON.parse(text) : text,
  };
}

export interface Logged {
  stack: ControlledStack;
  person: Person;
  keys: StackKeys;
  /** What was called, by what it was. */
  calls: Map<string, Called>;
  jobs: Map<string, { id: string; traceId: string }>;
  /** Tokens and addresses that came up. */
  secrets: { name: string; text: string }[];
  /** The request that is broken off. */
  broken: { traceId: string };
  /** The functions' lines so far. */
  lines(): Record<string, unknown>[];
}
