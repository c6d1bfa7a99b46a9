// A Realtime token: a JWT with `role` and an integer `exp`, or one of the project's two API keys standing for one.

import { Refusal } from "./refusal.ts";

export interface JwtClaims {
  role: string;
  /** Seconds since 1970. */
  exp: number;
  [claim: string]: unknown;
}

/** Checks signature and lifetime; throws when the token is not good. */
export type VerifyToken = (jwt: string) => Promise<object>;

export interface ApiKeys {
  publishable: string;
  secret: string;
}

export interface TokenReader {
  /** Claims of an API key or JWT. Throws Refusal. */
  read(token: string): Promise<JwtClaims>;
}

// Hosted's gateway puts a long-lived JWT in the place of an `sb_` key; ten years is what its legacy keys have.
const API_KEY_LIFETIME_SECONDS = 10 * 365 * 24 * 60 * 60;

export function createTokenReader(options: { verifyToken: VerifyToken; apiKeys: ApiKeys }): TokenReader {
  const { verifyToken, apiKeys } = options;
  const roles = new Map([[apiKeys.publishable, "anon"], [apiKeys.secret, "service_role"]]);
  return {
    read: async (token) => {
      const role = roles.get(token);
      if (role !== undefined) return apiKeyClaims(role);
      if (isApiKey(token)) throw new Refusal("JwtSignatureError", "Unknown API key");
      const unchecked = decodeClaims(token);
      if (unchecked === null) throw new Refusal("MalformedJWT", "The token provided is not a valid JWT");
      let claims: Record<string, unknown>;
      try {
        claims = { ...await verifyToken(token) };
      } catch {
        // Why it failed is read from the token itself; the verifier's own words may repeat parts of it.
        requireLifetime(unchecked);
        throw new Refusal("JwtSignatureError", "Failed to validate JWT signature");
      }
      return requireLifetime(claims);
    },
  };
}

export function isApiKey(token: string): boolean {
  return token.startsWith("sb_");
}

/** Throws when the claims have run out. */
export function requireLifetime(claims: Record<string, unknown>): JwtClaims {
  const { role, exp } = claims;
  if (typeof role !== "string" || role === "" || typeof exp !== "number" || !Number.isInteger(exp)) {
    throw new Refusal("InvalidJWTToken", "Fields `role` and `exp` are required in JWT");
  }
  const secondsAgo = Math.floor(Date.now() / 1000) - exp;
  if (secondsAgo >= 0) {
    throw new Refusal("InvalidJWTToken", `Token has expired ${secondsAgo} seconds ago`);
  }
  return { ...claims, role, exp };
}

function apiKeyClaims(role: string): JwtClaims {
  const issuedAt = Math.floor(Date.now() / 1000);
  return { iss: "supabase", ref: "local", role, iat: issuedAt, exp: issuedAt + API_KEY_LIFETIME_SECONDS };
}

function decodeClaims(token: string): Record<string, unknown> | null {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? "", "base64url").toString("utf8"));
    return typeof claims === "object" && claims !== null && !Array.isArray(claims) ? { ...claims } : null;
  } catch {
    return null; // not JSON: not a JWT
  }
}
