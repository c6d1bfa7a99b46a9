// What the webhook must make of a delivery, read from its bytes by the documented contract and by nothing of the
// product's own: the signature over the raw bytes, the token, and what a prediction is.

import { createHmac, timingSafeEqual } from "node:crypto";
import type { Delivery } from "./delivery.ts";

export interface Secrets {
  webhookSecret: string;
  callbackSecret: string;
}

/** What a signed delivery says of one task. */
export interface Statement {
  taskId: string;
  status: "completed" | "failed" | "cancelled" | "timeout" | "deleted" | null;
  outputs: string[];
  flagged: boolean[];
  /** The attempt that a valid token names; it may hold a task that no attempt has yet. */
  tokenOf: string | null;
}

export interface Verdict {
  /** Status codes that are right; 0 stands for a connection that was closed without an answer. */
  statuses: readonly number[];
  statement: Statement | null;
  why: string;
}

const maxBytes = 256 * 1024;
const toleranceSeconds = 300;
const ends = ["completed", "failed", "cancelled", "timeout", "deleted"] as const;

export function judge(delivery: Delivery, secrets: Secrets, knownAttempts: ReadonlySet<string>): Verdict {
  const nothing = (why: string, ...statuses: number[]): Verdict => ({ statuses, statement: null, why });
  const tokenOf = attemptOfToken(delivery.path, secrets.callbackSecret);
  // Whatever a server makes of a request that breaks HTTP itself, it must not take its signature for valid.
  if (delivery.isBroken) {
    return nothing("broken", 0, 200, 400, 401, 404, 405, 408, 411, 413, 414, 417, 426, 431);
  }
  if (delivery.body.length > maxBytes) return nothing("too large", 413);
  if (delivery.method !== "POST") return nothing("method", 405);
  if (!isSigned(delivery, secrets.webhookSecret)) {
    return tokenOf !== null && knownAttempts.has(tokenOf) ? nothing("noted", 200) : nothing("refused", 401);
  }
  const prediction = predictionOf(delivery.body);
  if (prediction === null) return nothing("malformed", 400);
  return { statuses: [200], statement: { ...prediction, tokenOf }, why: "signed" };
}

/** As a server reads it: without the white space around it, and several of one name joined. */
function header({ headers }: Delivery, name: string): string {
  return headers.filter(([each]) => each.toLowerCase() === name)
    .map(([, value]) => value.replace(/^[\t ]+|[\t ]+$/g, "")).join(", ");
}

function isSigned(delivery: Delivery, secret: string): boolean {
  const id = header(delivery, "webhook-id");
  const timestamp = header(delivery, "webhook-timestamp");
  if (id === "" || !/^(0|[1-9]\d{0,10})$/.test(timestamp)) return false;
  if (Math.abs(delivery.atSeconds - Number(timestamp)) > toleranceSeconds) return false;
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), delivery.body]);
  const wanted = createHmac("sha256", secret.replace(/^whsec_/, "")).update(signed).digest();
  return header(delivery, "webhook-signature").split(" ").slice(0, 8)
    .filter((part) => /^v3,[0-9a-f]{64}$/.test(part))
    .some((part) => timingSafeEqual(Buffer.from(part.slice(3), "hex"), wanted));
}

function attemptOfToken(path: string, callbackSecret: string): string | null {
  const query = new URLSearchParams(path.split("?").slice(1).join("?").split("#")[0]);
  const attempt = query.get("attempt");
  const token = query.get("token");
  if (attempt === null || token === null) return null;
  return createHmac("sha256", callbackSecret).update(attempt).digest("hex") === token ? attempt : null;
}

function predictionOf(bytes: Buffer): Omit<Statement, "tokenOf"> | null {
  const value = jsonOf(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { id, status, outputs, has_nsfw_contents: flags } = value as Record<string, unknown>;
  if (typeof id !== "string" || !/^[A-Za-z0-9_-]{1,128}$/.test(id)) return null;
  if (typeof status !== "string" || status === "") return null;
  const word = status.trim().toLowerCase().replace(/^canceled$/, "cancelled");
  const pictures = (Array.isArray(outputs) ? outputs : [])
    .map((entry, at) => ({ url: addressOf(entry), flag: Array.isArray(flags) && flags[at] === true }))
    .filter((entry): entry is { url: string; flag: boolean } => entry.url !== null);
  return {
    taskId: id,
    status: ends.find((end) => end === word) ?? null,
    outputs: pictures.map(({ url }) => url),
    flagged: Array.isArray(flags) ? pictures.map(({ flag }) => flag) : [],
  };
}

function addressOf(entry: unknown): string | null {
  const text = typeof entry === "object" && entry !== null ? Reflect.get(entry, "url") : entry;
  return typeof text === "string" && /^https?:\/\//i.test(text) ? URL.parse(text)?.href ?? null : null;
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined; // not UTF-8, or not JSON
  }
}
