// A callback of the provider. A valid signature settles; a valid token with a signature that does not verify only
// makes a poll due, since the provider's own answer to our key is the authority.

import { parsePrediction, verifyWebhook } from "../wavespeed/mod.ts";
import { callbackTokenHash, isCallbackToken } from "./callback-token.ts";
import { pollAttempt } from "./poll.ts";
import type { Backend } from "./ports.ts";
import { followUp, settle } from "./settle.ts";

/** About a hundred outputs with long addresses; a real callback has under 2 KiB. */
export const maxCallbackBytes = 256 * 1024;
const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const tokenForm = /^[0-9a-f]{64}$/;

export interface Callback {
  headers: Pick<Headers, "get">;
  body: Uint8Array<ArrayBuffer>;
  attemptId: string | null;
  token: string | null;
}

export type Received =
  /** Taken note of; `after` is the slow half, to be done once the provider has its answer. */
  | { kind: "accepted"; after: (() => Promise<void>) | null }
  /** Signed by the provider, but not something we can read. */
  | { kind: "malformed" }
  /** Neither signed nor carrying a token of ours. */
  | { kind: "refused" };

export async function receiveCallback(backend: Backend, callback: Callback): Promise<Received> {
  const { config, log, now, kernel } = backend;
  const attempt = await attemptOfToken(backend, callback);
  const verification = await verifyWebhook({
    headers: callback.headers,
    body: callback.body,
    secrets: config.webhookSecrets,
    nowSeconds: now() / 1000,
  });
  if (!verification.valid) {
    log("callback_unverified", { reason: verification.reason, hasToken: attempt !== null });
    if (attempt === null) return { kind: "refused" };
    const noted = await kernel.noteCallback(attempt.id, await callbackTokenHash(attempt.token));
    if (!noted.known) return { kind: "refused" };
    return { kind: "accepted", after: noted.pollDue ? () => pollAttempt(backend, attempt.id) : null };
  }
  const parsed = parsePrediction(callback.body);
  if (parsed.kind === "malformed") {
    log("callback_malformed", { reason: parsed.reason });
    return { kind: "malformed" };
  }
  const settled = await settle(backend, parsed.prediction, attempt?.id ?? null);
  return { kind: "accepted", after: () => followUp(backend, settled) };
}

async function attemptOfToken(
  { config }: Backend,
  { attemptId, token }: Callback,
): Promise<{ id: string; token: string } | null> {
  if (attemptId === null || token === null || !uuidForm.test(attemptId) || !tokenForm.test(token)) {
    return null;
  }
  return await isCallbackToken(config.callbackSecret, attemptId, token) ? { id: attemptId, token } : null;
}
