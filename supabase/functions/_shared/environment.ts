// What the functions read from their environment, once an isolate. A missing name is said by name, never by value.

import type { BackendConfig } from "../../../shared/backend/mod.ts";

export interface Environment extends BackendConfig {
  wavespeedApiKey: string;
  sweepSecret: string;
  /** Where the project's functions are called. */
  functionsUrl: string;
}

const defaultBaseUrl = "https://api.wavespeed.ai";

export function readEnvironment(): Environment {
  return {
    wavespeedApiKey: required("WAVESPEED_API_KEY"),
    wavespeedBaseUrl: Deno.env.get("WAVESPEED_BASE_URL") || defaultBaseUrl,
    webhookUrl: Deno.env.get("GENFLOW_WEBHOOK_URL") || null,
    webhookSecrets: (Deno.env.get("WAVESPEED_WEBHOOK_SECRETS") ?? "").split(",").map((one) => one.trim())
      .filter(Boolean),
    callbackSecret: required("GENFLOW_CALLBACK_SECRET"),
    sweepSecret: required("GENFLOW_SWEEP_SECRET"),
    functionsUrl: `${required("SUPABASE_URL")}/functions/v1`,
    inputDelivery: Deno.env.get("GENFLOW_INPUT_DELIVERY") === "upload" ? "upload" : "signed_url",
  };
}

/** Its `code` is the name that is missing, which the log tells. */
class SettingMissing extends Error {
  override readonly name = "SettingMissing";
  readonly code: string;
  constructor(name: string) {
    super(`${name} is not set: see .env.example, then 'supabase secrets set'`);
    this.code = name;
  }
}

function required(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new SettingMissing(name);
  return value;
}
