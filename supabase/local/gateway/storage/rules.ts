// What hosted accepts: characters of keys, sizes, media types.

import { invalidBucketName, invalidKey, invalidMimeType, invalidSizeLimit, tooLarge } from "./errors.ts";

/** Hosted's default for a project, and the free plan's. A bucket may ask for less. */
export const PROJECT_SIZE_LIMIT_BYTES = 50 * 1024 * 1024;

const KEY = /^[A-Za-z0-9_/!.*'() &$=@;:+,?-]+$/;
const BUCKET = /^[A-Za-z0-9_!.*'() &$=@;:+,?-]+$/;
const TOKEN = "[!#$%&'*+.^_`|~A-Za-z0-9-]+";
const MEDIA_TYPE = new RegExp(`^(${TOKEN})/(${TOKEN})\\s*(;.*)?$`);
const UNITS: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9 };

export function checkKey(key: string): string {
  if (!KEY.test(key)) throw invalidKey(key);
  return key;
}

export function checkBucketName(name: string): string {
  if (!BUCKET.test(name)) throw invalidBucketName();
  return name;
}

/** `type/subtype` in lower case without parameters; null for what is no media type. */
function mediaTypeOf(text: string): { type: string; subtype: string } | null {
  const [, type, subtype] = MEDIA_TYPE.exec(text.toLowerCase()) ?? [];
  return type && subtype && !type.includes("*") ? { type, subtype } : null;
}

export function checkMimeType(mimeType: string, allowed: string[] | null): void {
  if (!allowed || allowed.length === 0) return;
  const asked = mediaTypeOf(mimeType);
  const isAllowed = asked !== null &&
    allowed.map(mediaTypeOf).some((entry) =>
      entry?.type === asked.type && (entry.subtype === asked.subtype || entry.subtype === "*")
    );
  if (!isAllowed) throw invalidMimeType(mimeType);
}

/** A bucket's list: `image/png` or `image/*`, not `*` of everything. */
export function mimeTypesOf(value: unknown): string[] | null {
  if (!Array.isArray(value)) return null;
  return value.map((entry) => {
    const parsed = mediaTypeOf(String(entry));
    if (!parsed || (parsed.subtype !== "*" && parsed.subtype.includes("*"))) {
      throw invalidMimeType(String(entry));
    }
    return `${parsed.type}/${parsed.subtype}`;
  });
}

/** A bucket's `file_size_limit` as clients send it: bytes, or text such as "5MB". Never over the project's. */
export function sizeLimitOf(value: unknown): number | null {
  if (value === null || value === undefined) return null;
  const [, amount, unit = ""] = String(value).match(/^(\d+(?:\.\d+)?)(gb|mb|kb|b)$/i) ?? [];
  const bytes = typeof value === "number" ? value : Number(amount) * (UNITS[unit.toLowerCase()] ?? NaN);
  if (!Number.isFinite(bytes)) throw invalidSizeLimit();
  if (bytes > PROJECT_SIZE_LIMIT_BYTES) throw tooLarge();
  return Math.floor(bytes);
}
