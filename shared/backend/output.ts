// Opens one output of the provider. Its addresses are untrusted: https only, no private or literal hosts, each
// redirect checked like the first address. What is there becomes a stream; see picture-stream.ts.

import { openPicture, type PictureStream } from "./picture-stream.ts";

export type Output =
  | { kind: "image"; picture: PictureStream }
  | OutputFault;

export interface OutputFault {
  /** `unusable`: it will not be there later either. `unavailable`: perhaps later. */
  kind: "unusable" | "unavailable";
  reason: string;
}

export interface OutputRequest {
  url: string;
  fetch: typeof fetch;
  /** The one origin exempt from the address rules: a stand-in for the provider. Null in production. */
  trustedOrigin: string | null;
  signal: AbortSignal;
}

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

/** Reads as far as the picture's header. The rest is read as the picture's stream is, and must be closed. */
export async function openOutput(request: OutputRequest): Promise<Output> {
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
    if (!redirectStatuses.has(response.status) || location === null) return await openResponse(response);
    await dismiss(response);
    url = URL.canParse(location, url) ? new URL(location, url).href : "";
  }
  return { kind: "unusable", reason: "too_many_redirects" };
}

async function openResponse(response: Response): Promise<Output> {
  if (response.ok) return await openPicture(response);
  await dismiss(response);
  const kind = goneStatuses.has(response.status) ? "unusable" : "unavailable";
  return { kind, reason: `http_${response.status}` };
}

async function dismiss(response: Response): Promise<void> {
  // A connection that breaks now has nothing left to tell.
  await response.body?.cancel().catch(() => {});
}
