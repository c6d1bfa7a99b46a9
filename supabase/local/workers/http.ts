/** One request of pg_net's queue: sent once, its outcome told as the columns of net._http_response. */

export interface QueuedRequest {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string> | null;
  readonly body: Uint8Array | null;
  readonly timeoutMs: number;
}

export interface HttpResponse {
  readonly id: string;
  readonly statusCode: number | null;
  readonly contentType: string | null;
  readonly headers: Record<string, string> | null;
  readonly content: string | null;
  readonly timedOut: boolean;
  readonly error: string | null;
}

const userAgent = "pg_net/0.20.4";

/** Never rejects: a failure is a response with `error`. */
export async function sendRequest(request: QueuedRequest, stopped: AbortSignal): Promise<HttpResponse> {
  const timeout = AbortSignal.timeout(request.timeoutMs);
  try {
    const { protocol } = new URL(request.url);
    if (protocol !== "http:" && protocol !== "https:") {
      throw new Error(`Protocol "${protocol}" not supported`);
    }
    const response = await fetch(request.url, {
      method: request.method.toUpperCase(),
      headers: headersOf(request),
      body: request.body && Uint8Array.from(request.body),
      signal: AbortSignal.any([timeout, stopped]),
    });
    const content = (await response.text()).replaceAll("\0", ""); // text in Postgres cannot hold it
    return {
      id: request.id,
      statusCode: response.status,
      contentType: response.headers.get("content-type"),
      headers: Object.fromEntries(response.headers),
      content,
      timedOut: false,
      error: null,
    };
  } catch (error) {
    return {
      id: request.id,
      statusCode: null,
      contentType: null,
      headers: null,
      content: null,
      timedOut: timeout.aborted,
      error: timeout.aborted ? `Timeout of ${request.timeoutMs} ms reached` : reason(error),
    };
  }
}

function headersOf(request: QueuedRequest): Headers {
  // One connection a request: an idle one kept alive would outlast the worker.
  const headers = new Headers({ "user-agent": userAgent, connection: "close" });
  for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name, value);
  return headers;
}

/** fetch hides what went wrong ("fetch failed") one level down. */
function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
