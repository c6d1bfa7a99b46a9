// Who calls: from `apikey` and `Authorization` to a database role. A bad token is refused, never lowered to anon.

import { InvalidToken, type Tokens } from "./tokens.ts";

export interface Caller {
  role: string;
  userId: string | null;
  /** What `auth.jwt()` shows. */
  claims: Record<string, unknown>;
}

export type Refusal = "no_key" | "bad_key" | "secret_in_browser" | "expired" | "invalid";

export type Identity = { caller: Caller; refused?: undefined } | { caller?: undefined; refused: Refusal };

export interface Callers {
  /** `key`: "required" as on /rest/v1 and /auth/v1, "optional" as on /storage/v1, where no key means anon. */
  identify(headers: Headers, url: URL, key: "required" | "optional"): Promise<Identity>;
}

const anon: Caller = { role: "anon", userId: null, claims: { role: "anon" } };
const service: Caller = { role: "service_role", userId: null, claims: { role: "service_role" } };

export function createCallers(
  options: { publishableKey: string; secretKey: string; tokens: Tokens },
): Callers {
  const { publishableKey, secretKey, tokens } = options;
  return {
    async identify(headers, url, key) {
      const bearer = bearerOf(headers);
      const isKey = bearer?.startsWith("sb_") ?? false;
      const apikey = headers.get("apikey") ?? url.searchParams.get("apikey") ?? (isKey ? bearer : null);
      if (apikey === null && key === "required") return { refused: "no_key" };
      if (apikey !== null && apikey !== publishableKey && apikey !== secretKey) return { refused: "bad_key" };
      if (apikey === secretKey && isBrowser(headers)) return { refused: "secret_in_browser" };
      const caller = apikey === secretKey ? service : anon;
      if (bearer === null || isKey) return { caller };
      try {
        const claims = await tokens.verify(bearer);
        return { caller: { role: claims.role, userId: claims.sub, claims } };
      } catch (error) {
        if (error instanceof InvalidToken) return { refused: error.reason };
        throw error;
      }
    },
  };
}

export function bearerOf(headers: Headers): string | null {
  return headers.get("authorization")?.match(/^Bearer\s+(\S+)\s*$/i)?.[1] ?? null;
}

// As on hosted: a secret key in a browser is a leak, so it is refused wherever it comes from one.
function isBrowser(headers: Headers): boolean {
  return /^\s*Mozilla\/5\.0/i.test(headers.get("user-agent") ?? "");
}

const missing = {
  message: "No API key found in request",
  hint: "No `apikey` request header or url param was found.",
};
const wrong = { message: "Invalid API key", hint: "Double check your Supabase `apikey`" };

/** The answer the hosted gateway gives before a service is asked; tokens are each service's own matter. */
export function refuseKey(refused: Refusal): Response | null {
  if (refused === "no_key") return Response.json(missing, { status: 401 });
  if (refused === "bad_key") return Response.json(wrong, { status: 401 });
  if (refused === "secret_in_browser") {
    return Response.json({ message: "Forbidden use of secret API key in browser" }, { status: 401 });
  }
  return null;
}
