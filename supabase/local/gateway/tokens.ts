// User access tokens as a hosted project issues them: ES256 with `kid`, `iss`, `aud`, `exp`; the public key as JWKS.

import { errors, importJWK, type JWK, type JWTPayload, jwtVerify, SignJWT } from "jose";

export interface JwtClaims extends JWTPayload {
  sub: string;
  role: string;
  exp: number;
}

/** Why a token was refused. Nothing of the token itself is repeated. */
export class InvalidToken extends Error {
  readonly reason: "expired" | "invalid";
  constructor(reason: "expired" | "invalid") {
    super(reason === "expired" ? "JWT expired" : "JWT is not valid for this project");
    this.name = "InvalidToken";
    this.reason = reason;
  }
}

export interface Tokens {
  readonly issuer: string;
  /** Public keys only. */
  readonly jwks: { keys: JWK[] };
  sign(claims: JWTPayload, lifetimeSeconds: number): Promise<string>;
  /** Checks signature, `kid`, `exp`, `iss`, `aud` and the claims every user token has. Throws InvalidToken. */
  verify(token: string): Promise<JwtClaims>;
}

const AUDIENCE = "authenticated";
const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export async function createTokens(options: { signingKey: JWK; issuer: string }): Promise<Tokens> {
  const { signingKey, issuer } = options;
  const { d: _private, ...publicKey } = signingKey;
  const privateHandle = await importJWK(signingKey, "ES256");
  const publicHandle = await importJWK(publicKey, "ES256");
  const kid = signingKey.kid;
  return {
    issuer,
    jwks: { keys: [{ ...publicKey, key_ops: ["verify"] }] },
    sign: (claims, lifetimeSeconds) => {
      const issuedAt = Math.floor(Date.now() / 1000);
      return new SignJWT(claims)
        .setProtectedHeader({ alg: "ES256", kid, typ: "JWT" })
        .setIssuer(issuer)
        .setAudience(AUDIENCE)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + lifetimeSeconds)
        .sign(privateHandle);
    },
    verify: async (token) => {
      try {
        const { payload, protectedHeader } = await jwtVerify(token, publicHandle, {
          algorithms: ["ES256"],
          issuer,
          audience: AUDIENCE,
          requiredClaims: ["sub", "exp", "role"],
        });
        // The claims go into statements as they are: a role that is a list or a sub that is no UUID is nobody's.
        const isUser = typeof payload["role"] === "string" && uuidForm.test(String(payload.sub));
        if (protectedHeader.kid !== kid || !isUser) throw new InvalidToken("invalid");
        return payload as JwtClaims;
      } catch (error) {
        throw new InvalidToken(error instanceof errors.JWTExpired ? "expired" : "invalid");
      }
    },
  };
}
