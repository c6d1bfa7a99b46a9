// Reads Retry-After in both of its forms: seconds, or an HTTP date.
// The provider documents no such header; when one comes it is honoured, within bounds.

/** A longer pause than this is taken as a mistake of the sender. */
const maxRetryAfterSeconds = 3600;

export function retryAfterSeconds(headers: Headers, nowMs: number): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (!text) return undefined;
  const seconds = /^[0-9]+$/.test(text) ? Number(text) : secondsUntil(text, nowMs);
  if (!Number.isFinite(seconds)) return undefined;
  return Math.min(Math.max(Math.ceil(seconds), 0), maxRetryAfterSeconds);
}

function secondsUntil(date: string, nowMs: number): number {
  // Date.parse alone would take "-5" for a year.
  if (!/^[A-Z][a-z]{2}, /.test(date)) return Number.NaN;
  return (Date.parse(date) - nowMs) / 1000;
}
