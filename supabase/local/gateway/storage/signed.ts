// Signed URLs: the right is checked when the URL is made; whoever holds it needs no other right until it expires.

import { errors, jwtVerify, SignJWT } from "jose";
import { invalidJwt, invalidSignature, malformed } from "./errors.ts";

export interface SignedDownload {
  url: string;
}

export interface SignedUpload {
  url: string;
  upsert: boolean;
  owner: string | null;
}

export interface SignedUrls {
  download(object: string, expiresInSeconds: number): Promise<string>;
  upload(object: string, rights: { upsert: boolean; owner: string | null }): Promise<string>;
  checkDownload(object: string, token: string | null): Promise<void>;
  checkUpload(object: string, token: string | null): Promise<SignedUpload>;
}

const UPLOAD_SECONDS = 2 * 3600; // hosted

/** `object` is `<bucket>/<path>`. */
export function createSignedUrls(secret: string): SignedUrls {
  const key = new TextEncoder().encode(secret);
  const sign = (payload: Record<string, unknown>, seconds: number) =>
    new SignJWT(payload)
      .setProtectedHeader({ alg: "HS256" })
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(key);
  const check = async (object: string, token: string | null, scope: string) => {
    if (!token) throw malformed("querystring must have required property 'token'");
    const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"] }).catch((error: unknown) => {
      throw error instanceof errors.JOSEError ? invalidJwt(error.message) : error;
    });
    if (payload.scope !== scope) throw invalidSignature(`Token is not scoped for ${scope}`);
    if (payload.url !== object) throw invalidSignature();
    return payload;
  };
  return {
    download: (object, seconds) => sign({ url: object, scope: "download" }, seconds),
    upload: (object, rights) => sign({ url: object, scope: "upload", ...rights }, UPLOAD_SECONDS),
    checkDownload: async (object, token) => void await check(object, token, "download"),
    async checkUpload(object, token) {
      const payload = await check(object, token, "upload");
      return {
        url: object,
        upsert: payload.upsert === true,
        owner: typeof payload.owner === "string" ? payload.owner : null,
      };
    },
  };
}
