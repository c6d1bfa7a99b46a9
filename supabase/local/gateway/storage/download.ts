// Sending an object: ranges, conditional requests, download names.

import { noSuchKey } from "./errors.ts";
import type { ObjectRow } from "./rows.ts";
import type { Store } from "./store.ts";

export function send(store: Store, object: ObjectRow, request: Request, url: URL): Response {
  const { metadata, version } = object;
  if (!metadata || !version) throw noSuchKey();
  const headers = new Headers({
    "content-type": metadata.mimetype,
    "cache-control": metadata.cacheControl,
    "etag": metadata.eTag,
    "last-modified": new Date(metadata.lastModified).toUTCString(),
    "accept-ranges": "bytes",
    "x-robots-tag": "none",
  });
  const name = url.searchParams.get("download");
  if (name !== null) {
    const suffix = name === "" ? "" : `; filename*=UTF-8''${encodeURIComponent(name)}`;
    headers.set("content-disposition", `attachment${suffix}`);
  }
  if (request.headers.get("if-none-match") === metadata.eTag) {
    return new Response(null, { status: 304, headers });
  }
  const range = rangeOf(request.headers.get("range"), metadata.size);
  headers.set("content-length", String(range ? range.end - range.start + 1 : metadata.size));
  if (range) headers.set("content-range", `bytes ${range.start}-${range.end}/${metadata.size}`);
  const body = request.method === "HEAD" ? null : store.blobs.open(version, range ?? undefined);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** One range, as browsers and players ask for; anything else gets the whole object. */
function rangeOf(header: string | null, sizeBytes: number): { start: number; end: number } | null {
  const [, first, last] = header?.match(/^bytes=(\d*)-(\d*)$/) ?? [];
  if (first === undefined || last === undefined || first + last === "") return null;
  const start = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  return start <= end ? { start, end } : null;
}

export function describe(object: ObjectRow): Record<string, unknown> {
  const { metadata } = object;
  return {
    id: object.id,
    name: object.name,
    version: object.version,
    bucket_id: object.bucket_id,
    size: metadata?.size ?? null,
    content_type: metadata?.mimetype ?? null,
    cache_control: metadata?.cacheControl ?? null,
    etag: metadata?.eTag ?? null,
    last_modified: metadata?.lastModified ?? null,
    metadata: object.user_metadata ?? {},
    created_at: object.created_at,
  };
}
