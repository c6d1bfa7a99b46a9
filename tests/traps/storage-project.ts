// The room's stack as Storage's user sees it: a signed-up user, the service, plain HTTP, and SQL behind them.

import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { json } from "node:stream/consumers";
import postgres from "postgres";
import { inject } from "vitest";

export const stack = inject("trapsStack");

/** Whoever waits for the rest of the body waits for ever. */
const answerDeadlineMs = 10_000;

export interface Answer {
  status: number;
  body: unknown;
}

export interface StorageProject {
  userId: string;
  token: string;
  /** Of a request of the user's. */
  headers: Record<string, string>;
  client: SupabaseClient;
  service: SupabaseClient;
  /** As `postgres`. */
  sql: postgres.Sql;
  admin: postgres.Sql;
  /** As the user, unless headers say otherwise. */
  call(
    method: string,
    path: string,
    more?: { headers?: Record<string, string>; body?: BodyInit },
  ): Promise<Answer>;
  /** Sends the head and `begun`, never the rest, and answers what comes back nevertheless. */
  begin(path: string, headers: Record<string, string>, begun: string): Promise<Answer>;
  stop(): Promise<void>;
}

export async function openProject(): Promise<StorageProject> {
  const options = { auth: { persistSession: false, autoRefreshToken: false } };
  const client = createClient(stack.url, stack.publishableKey, options);
  const { data, error } = await client.auth.signUp({
    email: `${randomUUID()}@example.com`,
    password: "correct horse",
  });
  if (error || !data.session || !data.user) throw error ?? new Error("no session after sign-up");
  const token = data.session.access_token;
  const headers = { apikey: stack.publishableKey, authorization: `Bearer ${token}` };
  const sql = postgres(stack.databaseUrl, { max: 2, onnotice: () => {} });
  const admin = postgres(stack.adminUrl, { max: 1, onnotice: () => {} });
  return {
    userId: data.user.id,
    token,
    headers,
    client,
    service: createClient(stack.url, stack.secretKey, options),
    sql,
    admin,
    async call(method, path, { headers: own = headers, body } = {}) {
      const answer = await fetch(`${stack.url}/storage/v1${path}`, { method, headers: own, body });
      const text = await answer.text();
      return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
    },
    async begin(path, more, begun) {
      const url = new URL(`${stack.url}/storage/v1${path}`);
      const request = httpRequest(url, { method: "POST", headers: { ...headers, ...more } });
      request.on("error", () => {}); // the connection is cut below, with the body still owed
      request.flushHeaders();
      if (begun !== "") request.write(begun);
      const signal = AbortSignal.timeout(answerDeadlineMs);
      const [answer] = await once(request, "response", { signal }) as [IncomingMessage];
      const body: unknown = await json(answer);
      request.destroy();
      return { status: answer.statusCode ?? 0, body };
    },
    stop: async () => void await Promise.all([sql.end(), admin.end()]),
  };
}

/** A private bucket in which every user may do everything in a folder of their own. */
export async function ownFolders(
  { admin }: StorageProject,
  bucket: string,
  limits: { bytes?: number; mimeTypes?: string[] } = {},
): Promise<void> {
  await admin`insert into storage.buckets (id, name, file_size_limit, allowed_mime_types)
    values (${bucket}, ${bucket}, ${limits.bytes ?? null}, ${limits.mimeTypes ?? null})`;
  const own = `bucket_id = '${bucket}' and (storage.foldername(name))[1] = (select auth.uid())::text`;
  await admin.unsafe(
    `create policy "${bucket}" on storage.objects to authenticated using (${own}) with check (${own})`,
  );
}

export const image = (bytes: number) => new Blob([new Uint8Array(bytes).fill(7)], { type: "image/png" });
