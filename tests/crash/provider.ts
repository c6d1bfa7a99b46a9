// The stand-in provider, outside of the stack so that it outlives it, and with a count of the tasks each attempt made.

import { randomBytes } from "node:crypto";
import { silent } from "../../supabase/local/log.ts";
import { listen } from "../../supabase/local/fake-wavespeed/server.ts";
import type { Settings } from "../../supabase/local/fake-wavespeed/settings.ts";
import { World } from "../../supabase/local/fake-wavespeed/world.ts";

export interface Provider {
  url: string;
  apiKey: string;
  webhookSecret: string;
  /** Tasks accepted, by the attempt in their callback's address. */
  tasksOfAttempt: Map<string, number>;
  change(settings: Partial<Settings>): void;
  stop(): Promise<void>;
}

class CountedWorld extends World {
  readonly tasksOfAttempt = new Map<string, number>();

  override accept(...given: Parameters<World["accept"]>): ReturnType<World["accept"]> {
    const { webhookUrl } = given[2];
    const attempt = webhookUrl === null ? "none" : new URL(webhookUrl).searchParams.get("attempt") ?? "none";
    this.tasksOfAttempt.set(attempt, (this.tasksOfAttempt.get(attempt) ?? 0) + 1);
    return super.accept(...given);
  }
}

export async function startProvider(settings: Partial<Settings>): Promise<Provider> {
  const apiKey = `crash_${randomBytes(16).toString("hex")}`;
  const webhookSecret = `whsec_${randomBytes(24).toString("base64url")}`;
  const world = new CountedWorld({ apiKey, webhookSecret, settings, log: silent });
  const server = await listen(world, 0);
  world.origin = server.url;
  return {
    url: server.url,
    apiKey,
    webhookSecret,
    tasksOfAttempt: world.tasksOfAttempt,
    change: (changes) => world.change(changes),
    async stop() {
      await world.stop();
      await server.close();
    },
  };
}
