// A callback of the provider. A valid signature settles; a valid token with a signature that does not verify only
// makes a poll due, since the provider's own answer to our key is the authority.

import { parsePrediction, verifyWebhook } from "../wavespeed/mod.ts";
import { callbackTokenHash, isCallbackToken } from "./callback-token.ts";
import type { Line } from "./log.ts";
import { pollAttempt } from "./poll.ts";
import type { Backend } from "./ports.ts";
import { afterSettling, settle } from "./settle.ts";

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

export async function receiveCallback(backend: Backend, callback: Callback, line: Line): Promise<Received> {
  const { config, now } = backend;
  const attempt = await attemptOfToken(backend, callback);
  line.add({ token_valid: attempt !== null, attempt_id: attempt?.id });
  const verification = await verifyWebhook({
    headers: callback.headers,
    body: callback.body,
    secrets: config.webhookSecrets,
    nowSeconds: now() / 1000,
  });
  if (!verification.valid) {
    line.add({ outcome: "refused", reason: verification.reason });
    return attempt === null ? { kind: "refused" } : await noteUnverified(backend, attempt, line);
  }
  const parsed = parsePrediction(callback.body);
  if (parsed.kind === "malformed") {
    line.add({ outcome: "malformed", reason: parsed.reason });
    return { kind: "malformed" };
  }
  line.add({ outcome: "settled" });
  const settled = await settle(backend, parsed.prediction, attempt?.id ?? null, line);
  return { kind: "accepted", after: afterSettling(backend, settled) };
}

async function noteUnverified(
  backend: Backend,
  attempt: { id: string; token: string },
  line: Line,
): Promise<Received> {
  const noted = await backend.kernel.noteCallback(attempt.id, await callbackTokenHash(attempt.token));
  if (!noted.known) return { kind: "refused" };
  const ids = { trace_id: noted.traceId, job_id: noted.jobId, attempt_id: attempt.id };
  line.add({ ...ids, outcome: noted.pollDue ? "poll_due" : "noted" });
  if (!noted.pollDue) return { kind: "accepted", after: null };
  return {
    kind: "accepted",
    after: () => backend.log.step("follow_up", ids, () => pollAttempt(backend, attempt.id)),
  };
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
