// Tells when a token's claims have run out.

import { Refusal } from "./refusal.ts";
import { type JwtClaims, requireLifetime } from "./token.ts";

// setTimeout cannot wait longer than 24 days; hosted looks again after an hour at the latest too.
const MAX_CHECK_INTERVAL_MS = 60 * 60 * 1000;

/** Calls once, with hosted's words for it. */
export function watchExpiry(claims: JwtClaims, onExpired: (message: string) => void): { stop(): void } {
  let timer: NodeJS.Timeout;
  const schedule = () => {
    const untilExpiryMs = Math.max(0, claims.exp * 1000 - Date.now());
    timer = setTimeout(check, Math.min(untilExpiryMs, MAX_CHECK_INTERVAL_MS));
  };
  const check = () => {
    try {
      requireLifetime(claims);
      schedule();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      onExpired(error.message);
    }
  };
  schedule();
  return { stop: () => clearTimeout(timer) };
}
