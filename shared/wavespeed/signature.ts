// The callback signature: HMAC-SHA256 over "<webhook-id>.<webhook-timestamp>.<raw body>".
// It looks like Standard Webhooks and is not: the key is the secret's text after `whsec_` as UTF-8 (not base64
// decoded), and the header is `v3,<lower-case hex>`, so the usual verifiers refuse every genuine delivery.

export type SignatureProblem =
  | "missing_headers"
  | "bad_timestamp"
  | "stale"
  | "future"
  | "malformed_signature"
  | "mismatch";

export type Verification = { valid: true } | { valid: false; reason: SignatureProblem };

export interface WebhookHeaders {
  "webhook-id": string;
  "webhook-timestamp": string;
  "webhook-signature": string;
}

const defaultToleranceSeconds = 300;
const secretPrefix = "whsec_";
/** More entries than this are an attack on our CPU, not a key rotation. */
const maxSignatures = 8;
/** Whole seconds in plain decimal. Eleven digits last until the year 5138; milliseconds have thirteen. */
const timestampForm = /^(0|[1-9][0-9]{0,10})$/;
const signatureForm = /^v3,([0-9a-f]{64})$/;

/**
 * Checks a callback against every secret in force. `body` must be the bytes as received, never re-encoded JSON.
 * Says what is wrong for the operator's counters; a caller of the endpoint should not be told.
 */
export async function verifyWebhook(callback: {
  headers: Pick<Headers, "get">;
  body: Uint8Array;
  secrets: readonly string[];
  nowSeconds: number;
  toleranceSeconds?: number;
}): Promise<Verification> {
  const id = callback.headers.get("webhook-id");
  const timestamp = callback.headers.get("webhook-timestamp");
  const header = callback.headers.get("webhook-signature");
  if (!id || !timestamp || !header) return { valid: false, reason: "missing_headers" };
  if (!timestampForm.test(timestamp)) return { valid: false, reason: "bad_timestamp" };

  const toleranceSeconds = callback.toleranceSeconds ?? defaultToleranceSeconds;
  const ageSeconds = callback.nowSeconds - Number(timestamp);
  // Written so that a clock which answers NaN refuses: no comparison with NaN is true.
  if (!(ageSeconds <= toleranceSeconds)) return { valid: false, reason: "stale" };
  if (!(ageSeconds >= -toleranceSeconds)) return { valid: false, reason: "future" };

  const signatures = readSignatures(header);
  if (signatures.length === 0) return { valid: false, reason: "malformed_signature" };

  const signed = signedBytes(id, timestamp, callback.body);
  let valid = false;
  for (const secret of callback.secrets) {
    const key = await importKey(secret);
    if (key === null) continue;
    for (const signature of signatures) {
      // crypto.subtle.verify compares in constant time; no early exit, so the time does not name the secret.
      if (await crypto.subtle.verify("HMAC", key, signature, signed)) valid = true;
    }
  }
  return valid ? { valid } : { valid, reason: "mismatch" };
}

/** The three headers that the provider sends with `body`; for its stand-in and for tests. */
export async function signWebhook(delivery: {
  secret: string;
  id: string;
  timestampSeconds: number;
  body: Uint8Array;
}): Promise<WebhookHeaders> {
  const key = await importKey(delivery.secret);
  if (key === null) throw new RangeError("a webhook secret needs text after its prefix");
  const timestamp = String(delivery.timestampSeconds);
  const digest = await crypto.subtle.sign("HMAC", key, signedBytes(delivery.id, timestamp, delivery.body));
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return {
    "webhook-id": delivery.id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v3,${hex}`,
  };
}

function readSignatures(header: string): Uint8Array<ArrayBuffer>[] {
  const signatures: Uint8Array<ArrayBuffer>[] = [];
  for (const entry of header.split(" ").slice(0, maxSignatures)) {
    const hex = signatureForm.exec(entry)?.[1];
    if (hex !== undefined) signatures.push(decodeHex(hex));
  }
  return signatures;
}

function decodeHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}

function signedBytes(id: string, timestamp: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const prefix = new TextEncoder().encode(`${id}.${timestamp}.`);
  const bytes = new Uint8Array(prefix.length + body.length);
  bytes.set(prefix);
  bytes.set(body, prefix.length);
  return bytes;
}

/** Null for an empty secret: a blank setting must not become a key that anyone can sign with. */
function importKey(secret: string): Promise<CryptoKey> | null {
  const text = secret.startsWith(secretPrefix) ? secret.slice(secretPrefix.length) : secret;
  if (text.trim() === "") return null;
  const bytes = new TextEncoder().encode(text);
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}
