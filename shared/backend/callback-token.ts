// The token in a callback's address says which attempt a callback speaks of, even before the submit's answer is
// stored. It is correlation, not authority: only a valid signature or the provider's own answer settles anything. It
// stands in a query, which a hosted project's gateway keeps in its own log: whoever reads it there can make one attempt
// be polled a little earlier, and nothing else.

import { hmacHex, sameText, sha256Hex } from "./digest.ts";

export function callbackToken(callbackSecret: string, attemptId: string): Promise<string> {
  return hmacHex(callbackSecret, attemptId);
}

/** What the database keeps of a token. */
export function callbackTokenHash(token: string): Promise<string> {
  return sha256Hex(new TextEncoder().encode(token));
}

export async function isCallbackToken(
  callbackSecret: string,
  attemptId: string,
  token: string,
): Promise<boolean> {
  return sameText(await callbackToken(callbackSecret, attemptId), token);
}

/** The address given to the provider; null where it cannot call back. */
export function callbackUrl(webhookUrl: string | null, attemptId: string, token: string): string | undefined {
  if (webhookUrl === null) return undefined;
  const url = new URL(webhookUrl);
  url.searchParams.set("attempt", attemptId);
  url.searchParams.set("token", token);
  return url.href;
}
