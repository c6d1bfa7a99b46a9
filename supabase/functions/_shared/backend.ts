// Gives the backend its ports: the project's own client, the provider's, the clock and the request's log.

import type { SupabaseClient } from "@supabase/supabase-js";
import { type Backend, createKernel, type Log, rpcOf, storeOf } from "../../../shared/backend/mod.ts";
import { createWavespeed } from "../../../shared/wavespeed/mod.ts";
import { afterAnswer } from "./after.ts";
import { type Environment, readEnvironment } from "./environment.ts";
import { wakeThumbnails } from "./wake-thumbnails.ts";

let environment: Environment | undefined;

export function environmentOnce(): Environment {
  return environment ??= readEnvironment();
}

export function backendOf(admin: SupabaseClient, log: Log): Backend {
  const config = environmentOnce();
  return {
    kernel: createKernel(rpcOf(admin)),
    provider: createWavespeed({ baseUrl: config.wavespeedBaseUrl, apiKey: config.wavespeedApiKey }),
    store: storeOf(admin),
    fetch,
    now: Date.now,
    newId: () => crypto.randomUUID(),
    wakeThumbnails: (pictures) => afterAnswer(wakeThumbnails(config, log, pictures)),
    log,
    config,
  };
}
