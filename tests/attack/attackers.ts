// The four actors with keys and tokens of a running stack, and something of theirs in it.

import { randomUUID } from "node:crypto";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import postgres from "postgres";
import { type Actor, type ActorName, actorsOf } from "./actors.ts";
import { type Scene, setScene } from "./scene.ts";

export interface Attacker extends Actor {
  client: SupabaseClient;
  /** Another client with the same rights: a socket of its own. */
  again(): SupabaseClient;
}

export interface Target {
  url: string;
  publishableKey: string;
  secretKey: string;
  adminUrl: string;
}

export async function gatherAttackers(target: Target): Promise<{ attackers: Attacker[]; scene: Scene }> {
  const [owner, other] = [await signUp(target), await signUp(target)];
  const sql = postgres(target.adminUrl, { max: 1, onnotice: () => {} });
  const scene = await setScene(sql, [owner.id, other.id]).finally(() => sql.end());
  const open: Record<ActorName, () => SupabaseClient> = {
    anon: () => clientOf(target, target.publishableKey),
    owner: () => clientOf(target, target.publishableKey, owner.token),
    other: () => clientOf(target, target.publishableKey, other.token),
    service_role: () => clientOf(target, target.secretKey),
  };
  const attackers = actorsOf(scene).map((actor) => (
    { ...actor, client: open[actor.name](), again: open[actor.name] }
  ));
  return { attackers, scene };
}

function clientOf({ url }: Target, key: string, token?: string): SupabaseClient {
  return createClient(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    ...token === undefined ? {} : { accessToken: () => Promise.resolve(token) },
  });
}

async function signUp(target: Target): Promise<{ id: string; token: string }> {
  const { data, error } = await clientOf(target, target.publishableKey).auth.signUp({
    email: `attack-${randomUUID().slice(0, 8)}@example.com`,
    password: randomUUID(),
  });
  if (error || !data.session) throw error ?? new Error("no session");
  return { id: data.session.user.id, token: data.session.access_token };
}
