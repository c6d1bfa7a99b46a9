// One request to /auth/v1 after the caller is known, and the reading of its body.

import type { Sql } from "postgres";
import type { Caller } from "../caller.ts";
import type { Tokens } from "../tokens.ts";
import { AuthError, invalid } from "./errors.ts";

export interface AuthCall {
  sql: Sql;
  tokens: Tokens;
  caller: Caller;
  method: string;
  url: URL;
  body: Record<string, unknown>;
}

export async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  const text = await request.text();
  if (text === "") return {};
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) {
      return body as Record<string, unknown>;
    }
  } catch {
    // Falls through: not JSON is as wrong as JSON of another kind.
  }
  throw new AuthError(400, "bad_json", "Could not parse request body as JSON");
}

export function emailOf(body: Record<string, unknown>): string | null {
  if (body.email === undefined || body.email === null || body.email === "") return null;
  const email = text(body.email, "email").trim().toLowerCase();
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw invalid("Unable to validate email address: invalid format");
  return email;
}

export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

export function text(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "") throw invalid(`${name} is required`);
  return value;
}
