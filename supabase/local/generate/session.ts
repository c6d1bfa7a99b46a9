// The demo user: signed up at the first need, signed in again afterwards.

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import * as z from "zod";
import type { StackInfo } from "../state.ts";

const Credentials = z.object({ email: z.string(), password: z.string() });

export interface Session {
  client: SupabaseClient;
  userId: string;
  accessToken: string;
}

export async function demoSession(stack: StackInfo, dataDirectory: string): Promise<Session> {
  const client = createClient(stack.url, stack.publishableKey, { auth: { persistSession: false } });
  const file = join(dataDirectory, "demo-user.json");
  const known = readCredentials(file);
  const signedIn = known && await client.auth.signInWithPassword(known);
  if (signedIn?.data.session) return sessionOf(client, signedIn.data.session);
  // A new name each time: an old one whose password is lost could not be signed up again.
  const fresh = {
    email: `demo-${randomBytes(4).toString("hex")}@example.com`,
    password: randomBytes(18).toString("base64url"),
  };
  const { data, error } = await client.auth.signUp(fresh);
  if (error || !data.session) {
    throw new Error(`The demo user could not sign up: ${error?.message ?? "no session"}`);
  }
  writeFileSync(file, JSON.stringify(fresh) + "\n", { mode: 0o600 });
  return sessionOf(client, data.session);
}

function sessionOf(client: SupabaseClient, session: { access_token: string; user: { id: string } }): Session {
  return { client, userId: session.user.id, accessToken: session.access_token };
}

function readCredentials(file: string): z.infer<typeof Credentials> | null {
  try {
    return Credentials.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return null; // none yet
  }
}
