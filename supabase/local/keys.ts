// The stack's keys and secrets: made once for a data directory, kept in `<dataDirectory>/keys.json` (mode 0600).

import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exportJWK, generateKeyPair, type JWK } from "jose";

export interface StackKeys {
  /** `sb_publishable_…`: for apps; stands for the role anon. */
  publishableKey: string;
  /** `sb_secret_…`: for servers; stands for the role service_role. */
  secretKey: string;
  /** Private ES256 key (with `kid`) that signs user tokens, as a hosted project's signing key does. */
  signingKey: JWK;
  /** Signs storage URLs; never leaves the stack. */
  storageSecret: string;
  /** GENFLOW_CALLBACK_SECRET: derives the token in the provider's callback URL. */
  callbackSecret: string;
  /** GENFLOW_SWEEP_SECRET: the database signs its calls of the sweep function with it. */
  sweepSecret: string;
  /** The stand-in provider's API key and webhook secret. */
  providerApiKey: string;
  providerWebhookSecret: string;
}

export async function loadKeys(dataDirectory: string): Promise<StackKeys> {
  const file = join(dataDirectory, "keys.json");
  const stored = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (stored !== null) return JSON.parse(stored) as StackKeys;
  const keys = await generateKeys();
  await mkdir(dataDirectory, { recursive: true });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, JSON.stringify(keys, null, 2) + "\n", { mode: 0o600 });
  await rename(draft, file);
  return keys;
}

async function generateKeys(): Promise<StackKeys> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return {
    publishableKey: apiKey("publishable"),
    secretKey: apiKey("secret"),
    signingKey: { ...await exportJWK(privateKey), kid: randomUUID(), alg: "ES256", use: "sig" },
    storageSecret: random(32),
    callbackSecret: random(32),
    sweepSecret: random(32),
    providerApiKey: `local_${random(24)}`,
    providerWebhookSecret: `whsec_${random(32)}`,
  };
}

// The hosted shape: kind, 22 random characters, 8 more that hosted uses as a checksum.
function apiKey(kind: "publishable" | "secret"): string {
  return `sb_${kind}_${random(16)}_${random(6)}`;
}

function random(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}
