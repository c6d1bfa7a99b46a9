// What hosted accepts: characters of keys, sizes, media types.

import { invalidKey, invalidMimeType, invalidRequest } from "./errors.ts";

/** Hosted's default for a project, and the free plan's. A bucket may ask for less. */
export const PROJECT_SIZE_LIMIT_BYTES = 50 * 1024 * 1024;

const KEY = /^[A-Za-z0-9_/!.*'() &$=@;:+,?-]+$/;

const UNITS: Record<string, number> = {
  "": 1,
  b: 1,
  kb: 1000,
  kib: 1024,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
};

export function checkKey(key: string): string {
  if (!KEY.test(key)) throw invalidKey(key);
  return key;
}

export function checkMimeType(mimeType: string, allowed: string[] | null): void {
  if (!allowed || allowed.length === 0) return;
  const bare = (mimeType.split(";")[0] ?? "").trim().toLowerCase();
  const kind = bare.split("/")[0];
  if (!allowed.some((entry) => entry === bare || entry === `${kind}/*` || entry === "*/*")) {
    throw invalidMimeType(mimeType);
  }
}

/** A bucket's `file_size_limit` as clients send it: bytes, or text such as "5MB". */
export function sizeLimitOf(value: unknown): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return value;
  const [, amount, unit] = String(value).trim().match(/^(\d+(?:\.\d+)?)\s*([a-z]*)$/i) ?? [];
  const factor = UNITS[(unit ?? "").toLowerCase()];
  if (amount === undefined || factor === undefined) throw invalidRequest(`file_size_limit ${String(value)}`);
  return Math.floor(Number(amount) * factor);
}
