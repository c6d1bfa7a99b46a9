// New users for the flow tests: signed up as an app does it or, in a project that is not ours, made by its admin.

import { randomUUID } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";

export interface Target {
  url: string;
  publishableKey: string;
  secretKey: string;
  /** Not started by the tests: its mail must be confirmed, its grants may be none, and its users are to be removed. */
  external: boolean;
}

const withoutSession = { auth: { persistSession: false, autoRefreshToken: false } };
/** Enough for what one user starts in a test file. */
const credits = 20;

/** A client that is signed in as a user of its own. */
export async function newUser(target: Target): Promise<SupabaseClient> {
  const client = createClient(target.url, target.publishableKey, withoutSession);
  const email = `app-${randomUUID()}@example.com`;
  const password = randomUUID();
  if (target.external) await createConfirmed(target, email, password);
  const { data, error } = target.external
    ? await client.auth.signInWithPassword({ email, password })
    : await client.auth.signUp({ email, password });
  if (error || !data.session) throw error ?? new Error("no session");
  return client;
}

async function createConfirmed(target: Target, email: string, password: string): Promise<void> {
  const admin = createClient(target.url, target.secretKey, withoutSession);
  const created = await admin.auth.admin.createUser({ email, password, email_confirm: true });
  if (created.error) throw created.error;
  const { id } = created.data.user;
  // Written down at once: whatever fails from here on, tests/hosted.ts removes the user.
  const { GENFLOW_CREATED_USERS: file } = process.env;
  if (file) await appendFile(file, `${id}\n`);
  const granted = await admin.rpc("grant_credits", {
    p_user_id: id,
    p_credits: credits,
    p_reference: "flow tests",
  });
  if (granted.error) throw granted.error;
}
