// The stack on the small project beside this file, in a folder of its own that is gone afterwards.

import { resolve } from "node:path";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { type Stack, type StackOptions, startStack } from "../../supabase/local/mod.ts";

export const smallProject = resolve(import.meta.dirname, "project/supabase");

export function startSmallStack(options: Partial<StackOptions> & { dataDirectory: string }): Promise<Stack> {
  return startStack({ port: 0, cron: false, supabaseDirectory: smallProject, ...options });
}

export function clientOf(stack: Stack, key = stack.publishableKey): SupabaseClient {
  return createClient(stack.url, key, { auth: { persistSession: false, autoRefreshToken: false } });
}

export interface TestUser {
  id: string;
  email: string;
  token: string;
  client: SupabaseClient;
}

export const password = "correct horse";
let users = 0;

export async function newUser(stack: Stack): Promise<TestUser> {
  const client = clientOf(stack);
  const email = `user${++users}@example.com`;
  const { data, error } = await client.auth.signUp({ email, password });
  if (error || !data.session || !data.user) throw error ?? new Error("No session after sign-up");
  return { id: data.user.id, email, token: data.session.access_token, client };
}
