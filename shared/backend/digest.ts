// SHA-256 and HMAC-SHA256 as lower-case hex, on Web Crypto; in pieces on Node's, for Web Crypto wants all at once.

// @ts-types="./node-crypto.d.ts"
import { createHash } from "node:crypto";

function toHex(buffer: ArrayBuffer): string {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(await crypto.subtle.digest("SHA-256", bytes));
}

export interface Digest {
  update(chunk: Uint8Array): void;
  /** Once, at the end. */
  hex(): string;
}

export function sha256InPieces(): Digest {
  const hash = createHash("sha256");
  return { update: (chunk) => void hash.update(chunk), hex: () => hash.digest("hex") };
}

export async function hmacHex(secret: string, text: string): Promise<string> {
  const encoder = new TextEncoder();
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    [
      "sign",
    ],
  );
  return toHex(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
}

/** Compares in a time that depends on the length alone. */
export function sameText(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
