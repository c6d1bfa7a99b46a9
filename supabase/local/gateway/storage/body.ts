// JSON bodies: what a route needs of one, or a refusal in the words of the schema checker.

import { malformed } from "./errors.ts";

export async function json(request: Request): Promise<Record<string, unknown>> {
  const body: unknown = await request.json().catch(() => null);
  if (typeof body !== "object" || body === null) throw malformed("body must be object");
  return body as Record<string, unknown>;
}

export function textOf(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "") {
    throw malformed(`body must have required property '${name}'`);
  }
  return value;
}

export function textsOf(value: unknown, name: string): string[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw malformed(`body/${name} must NOT have fewer than 1 items`);
  }
  return value.map((entry) => textOf(entry, name));
}

export function secondsOf(body: Record<string, unknown>): number {
  const seconds = Number(body.expiresIn);
  if (!Number.isInteger(seconds) || seconds < 1) throw malformed("body/expiresIn must be >= 1");
  return seconds;
}
