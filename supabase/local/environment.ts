// What the stack takes from the outside (`.env`, the shell) and what its functions find in their environment.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import type { StackKeys } from "./keys.ts";
import type { Log } from "./log.ts";

/** With a key, the stack talks to the real provider, which costs money; without, to the stand-in. */
const TAKEN = ["WAVESPEED_API_KEY", "WAVESPEED_BASE_URL", "WAVESPEED_WEBHOOK_SECRETS", "PUBLIC_WEBHOOK_URL"];

/**
 * The provider's settings from the shell, else from the project's `.env`. For `npm start` and `npm run generate`;
 * startStack itself reads neither, so no test can spend money by accident.
 */
export function readEnvironment(projectDirectory: string): Record<string, string> {
  const file = parseEnv(readDotEnv(join(projectDirectory, ".env")));
  const found: Record<string, string> = {};
  for (const name of TAKEN) {
    const value = process.env[name] ?? file[name];
    if (value) found[name] = value;
  }
  return found;
}

function readDotEnv(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it is optional
  }
}

export interface FunctionsEnvironmentOptions {
  url: string;
  databaseUrl: string;
  keys: StackKeys;
  jwks: object;
  /** The stand-in, or null for the real provider. */
  provider: { url: string; apiKey: string; webhookSecret: string } | null;
  extra: Record<string, string>;
  log: Log;
}

/** A hosted project refuses secrets of such names: they are the platform's own. */
const RESERVED_PREFIX = "SUPABASE_";

export function functionsEnvironment(options: FunctionsEnvironmentOptions): Record<string, string> {
  const { url, databaseUrl, keys, jwks, provider, extra, log } = options;
  const { PUBLIC_WEBHOOK_URL: publicWebhookUrl, ...asked } = extra;
  const rest: Record<string, string> = {};
  for (const [name, value] of Object.entries(asked)) {
    if (!name.startsWith(RESERVED_PREFIX)) rest[name] = value;
    else {log(
        `functions: ${name} is ignored, as a hosted project takes no secret that begins with ${RESERVED_PREFIX}`,
      );}
  }
  const standIn: Record<string, string> = provider
    ? {
      WAVESPEED_API_KEY: provider.apiKey,
      WAVESPEED_BASE_URL: provider.url,
      WAVESPEED_WEBHOOK_SECRETS: provider.webhookSecret,
      GENFLOW_WEBHOOK_URL: `${url}/functions/v1/wavespeed-webhook`,
    }
    : {};
  return {
    SUPABASE_URL: url,
    SUPABASE_DB_URL: databaseUrl,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: keys.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: keys.secretKey }),
    SUPABASE_JWKS: JSON.stringify(jwks),
    SB_REGION: "local",
    GENFLOW_CALLBACK_SECRET: keys.callbackSecret,
    GENFLOW_SWEEP_SECRET: keys.sweepSecret,
    ...standIn,
    // Nor can it fetch a signed URL from here: reference images go through its upload endpoint.
    ...(provider ? {} : { GENFLOW_INPUT_DELIVERY: "upload" }),
    // The real provider cannot reach 127.0.0.1: callbacks only with an address that it can.
    ...(publicWebhookUrl ? { GENFLOW_WEBHOOK_URL: publicWebhookUrl } : {}),
    ...rest,
  };
}
