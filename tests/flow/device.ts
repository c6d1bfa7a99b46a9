// A device in a test: what outlives the app on it, and a network that can fail. Its app is the client SDK on a real
// supabase-js client.

import { randomUUID } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import {
  createGenerationService,
  type GenerationService,
  type KeyValueStorage,
  memoryStorage,
  type ServiceOptions,
} from "../../shared/client/mod.ts";
import type { Target } from "./users.ts";

/** `lost`: the request is heard, its answer is not; `silent`: nor is it ever known to be lost. */
export type Network = "online" | "offline" | "lost" | "silent";

export interface Device {
  /** Of the function calls and reads; the channel's socket has its own. */
  network: Network;
  /** How often start-generation was asked, heard or not. */
  starts(): number;
  /** Starts the app; what ran before it is killed, without a chance to tidy up. */
  launch(): Promise<Launched>;
  stop(): Promise<void>;
  /** Signs in with the session of another: a second device of the same user. */
  takeOver(other: Device): Promise<void>;
  readonly sessions: KeyValueStorage;
}

export interface Launched {
  service: GenerationService;
  userId: string;
  signOut(): Promise<void>;
  signUp(): Promise<string>;
}

export function openDevice(target: Target, options: Pick<ServiceOptions, "creditsLowBelow"> = {}): Device {
  const sessions = memoryStorage();
  const records = memoryStorage();
  const closes: (() => Promise<void>)[] = [];
  let starts = 0;
  const device: Device = {
    network: "online",
    starts: () => starts,
    sessions,
    async takeOver(other) {
      for (const key of await other.sessions.getAllKeys()) {
        await sessions.setItem(key, await other.sessions.getItem(key) ?? "");
      }
    },
    async launch() {
      await device.stop();
      let isKilled = false;
      const client = createClient(target.url, target.publishableKey, {
        auth: {
          storage: sessions as Required<Pick<typeof sessions, "getItem" | "setItem" | "removeItem">>,
          autoRefreshToken: false,
        },
        global: {
          async fetch(input, init) {
            if (String(input).endsWith("/start-generation")) starts++;
            if (device.network === "offline" || isKilled) throw new TypeError("no network");
            const answer = await fetch(input, init);
            if (device.network === "silent") await new Promise(() => {});
            if (device.network === "lost" || isKilled) throw new TypeError("connection lost");
            return answer;
          },
        },
      });
      const signUp = async () => {
        const { data, error } = await client.auth.signUp({
          email: `device-${randomUUID()}@example.com`,
          password: randomUUID(),
        });
        if (error || !data.user) throw error ?? new Error("no user");
        return data.user.id;
      };
      const { data: { session } } = await client.auth.getSession();
      const userId = session?.user.id ?? await signUp();
      const service = createGenerationService({
        supabase: client,
        storage: records,
        ...options,
        // No waiting between the tries of one call.
        random: () => 0,
      });
      closes.push(async () => {
        isKilled = true;
        await service.close();
        await client.removeAllChannels();
        await client.auth.stopAutoRefresh();
      });
      return {
        service,
        userId,
        signUp,
        async signOut() {
          const { error } = await client.auth.signOut();
          if (error) throw error;
        },
      };
    },
    async stop() {
      for (const close of closes.splice(0)) await close();
    },
  };
  return device;
}
