// Gives the backend its ports: the project's own client, the provider's, the clock and the log.

import type { SupabaseClient } from "@supabase/supabase-js";
import { type Backend, createKernel, createLog, rpcOf, storeOf } from "../../../shared/backend/mod.ts";
import { createWavespeed } from "../../../shared/wavespeed/mod.ts";
import { type Environment, readEnvironment } from "./environment.ts";

let environment: Environment | undefined;

export function environmentOnce(): Environment {
  return environment ??= readEnvironment();
}

export const log = createLog((line) => console.log(line), Date.now);

export function backendOf(admin: SupabaseClient): Backend {
  const config = environmentOnce();
  return {
    kernel: createKernel(rpcOf(admin)),
    provider: createWavespeed({ baseUrl: config.wavespeedBaseUrl, apiKey: config.wavespeedApiKey }),
    store: storeOf(admin),
    fetch,
    now: Date.now,
    newId: () => crypto.randomUUID(),
    log,
    config,
  };
}
