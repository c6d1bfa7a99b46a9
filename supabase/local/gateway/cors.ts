// CORS of the Data API, Auth and Storage, as on hosted. Functions answer for themselves: nothing is added there.

const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const EXPOSED = "Content-Range, Content-Location, Content-Length, Preference-Applied, ETag, sb-error-code";
const MAX_AGE_SECONDS = 3600;

export function preflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": METHODS,
      "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "*",
      "access-control-max-age": String(MAX_AGE_SECONDS),
    },
  });
}

export function withCors(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", "*");
  const own = headers.get("access-control-expose-headers");
  headers.set("access-control-expose-headers", own === null ? EXPOSED : `${EXPOSED}, ${own}`);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
