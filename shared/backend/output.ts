// Fetches one output of the provider. Its addresses are untrusted: https only, no private or literal hosts, each
// redirect checked like the first address, a cap on size, and the bytes must be a whole picture before they count.

import { type ImageFacts, readImage } from "./image-facts.ts";

export type Output =
  | { kind: "image"; bytes: Uint8Array<ArrayBuffer>; facts: ImageFacts }
  /** It will not be there later either. */
  | { kind: "unusable"; reason: string }
  /** Perhaps later. */
  | { kind: "unavailable"; reason: string };

export interface OutputRequest {
  url: string;
  fetch: typeof fetch;
  /** The one origin exempt from the address rules: a stand-in for the provider. Null in production. */
  trustedOrigin: string | null;
  signal: AbortSignal;
}

export const maxOutputBytes = 32 * 1024 * 1024;
const maxRedirects = 3;
const goneStatuses: ReadonlySet<number> = new Set([401, 403, 404, 410]);
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Names that resolve inside somebody's network. */
const privateName = /(^|\.)(localhost|local|internal|intranet|lan|home|corp)$/i;

export function isAllowedOutput(url: URL, trustedOrigin: string | null): boolean {
  if (url.username !== "" || url.password !== "") return false;
  // Not by `origin`, which a blob: address shares with its maker.
  if (trustedOrigin !== null && url.href.startsWith(`${trustedOrigin}/`)) return true;
  if (url.protocol !== "https:" || (url.port !== "" && url.port !== "443")) return false;
  // A URL's host is normalised, so every spelling of an IPv4 address has become four numbers by now.
  const isLiteral = url.hostname.startsWith("[") || /^[0-9.]+$/.test(url.hostname);
  const name = url.hostname.replace(/\.+$/, "");
  return !isLiteral && name.includes(".") && !privateName.test(name);
}

export async function fetchOutput(request: OutputRequest): Promise<Output> {
  let url = request.url;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    if (!URL.canParse(url) || !isAllowedOutput(new URL(url), request.trustedOrigin)) {
      return { kind: "unusable", reason: "address_refused" };
    }
    let response: Response;
    try {
      response = await request.fetch(url, { redirect: "manual", signal: request.signal });
    } catch {
      // The error's text would name the address.
      return { kind: "unavailable", reason: "network" };
    }
    const location = response.headers.get("location");
    if (!redirectStatuses.has(response.status) || location === null) return await readResponse(response);
    await response.body?.cancel();
    url = URL.canParse(location, url) ? new URL(location, url).href : "";
  }
  return { kind: "unusable", reason: "too_many_redirects" };
}

async function readResponse(response: Response): Promise<Output> {
  if (!response.ok) {
    await response.body?.cancel();
    const kind = goneStatuses.has(response.status) ? "unusable" : "unavailable";
    return { kind, reason: `http_${response.status}` };
  }
  const bytes = await readCapped(response);
  if (typeof bytes === "string") {
    return { kind: bytes === "too_large" ? "unusable" : "unavailable", reason: bytes };
  }
  const facts = readImage(bytes);
  return facts === null ? { kind: "unusable", reason: "not_a_whole_image" } : { kind: "image", bytes, facts };
}

async function readCapped(response: Response): Promise<Uint8Array<ArrayBuffer> | "too_large" | "truncated"> {
  const declared = response.headers.get("content-length");
  const isEncoded = response.headers.has("content-encoding");
  if (declared !== null && Number(declared) > maxOutputBytes) {
    await response.body?.cancel();
    return "too_large";
  }
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      if (size > maxOutputBytes) return "too_large";
      chunks.push(chunk);
    }
  } catch {
    // A connection that broke: the rest may come another time.
    return "truncated";
  }
  if (declared !== null && !isEncoded && Number(declared) !== size) return "truncated";
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
