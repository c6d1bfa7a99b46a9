// One JSON line for each request that the gateway answers, in a file of its own. Never a query string (signed URLs,
// the callback's token and Realtime's key stand there), a header or a body; of a path only names and ids.

import { createWriteStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export interface AccessLog {
  /** Writes once the answer is over. */
  request(incoming: IncomingMessage, outgoing: ServerResponse): void;
  /** Writes once the connection is closed. */
  upgrade(incoming: IncomingMessage, socket: Duplex): void;
  stop(): Promise<void>;
}

/** `file` begins anew. */
export function openAccessLog(file: string): AccessLog {
  const stream = createWriteStream(file, { mode: 0o600 });
  let failure: Error | null = null;
  stream.on("error", (error) => {
    failure = error; // such as a full disk: the stack goes on and says so at its end
  });
  const begin = (incoming: IncomingMessage) => {
    const startedAt = performance.now();
    const at = new Date().toISOString();
    return (more: { status: number | null; broken_off?: true }) => {
      const line = {
        at,
        kind: "access",
        method: incoming.method,
        path: shownPath(incoming.url ?? "/", more.status !== NOT_FOUND),
        ...more,
        duration_ms: Math.round(performance.now() - startedAt),
        trace_id: traceIdOf(incoming),
      };
      if (!stream.writableEnded) stream.write(`${JSON.stringify(line)}\n`);
    };
  };
  return {
    request(incoming, outgoing) {
      const end = begin(incoming);
      outgoing.once("close", () => {
        const status = outgoing.headersSent ? outgoing.statusCode : null;
        end(outgoing.writableFinished ? { status } : { status, broken_off: true });
      });
    },
    upgrade(incoming, socket) {
      const end = begin(incoming);
      socket.once("close", () => end({ status: null }));
    },
    async stop() {
      await new Promise<void>((resolve) => stream.end(() => resolve()));
      if (failure) throw failure;
    },
  };
}

const NOT_FOUND = 404;
/** Service and version. */
const fixedSegments = 2;
/** And what is asked for: /rest/v1/<table>, /functions/v1/<name>. */
const namedSegments = 3;
/** What a further name follows: /rest/v1/rpc/<function>, /storage/v1/object/sign/<bucket>/… */
const verbs: ReadonlySet<string> = new Set([
  "authenticated",
  "copy",
  "info",
  "list",
  "move",
  "object",
  "public",
  "rpc",
  "sign",
  "upload",
]);
const nameForm = /^[a-z][a-z0-9_-]{0,39}$/;
const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const hidden = "*";

/**
 * A path as it may be shown: people choose the names of their files, and a wrong path can hold anything. Of what does
 * not exist not even the name is shown.
 */
export function shownPath(url: string, exists: boolean): string {
  const path = url.split(/[?#]/, 1)[0] ?? "";
  let names = exists ? namedSegments : fixedSegments;
  const shown = path.split("/").slice(1).map((segment, index) => {
    if (segment === "" || uuidForm.test(segment)) return segment;
    if (index >= 2 && index < names && verbs.has(segment)) names = index + 2;
    return index < names && nameForm.test(segment) ? segment : hidden;
  });
  return `/${shown.join("/")}`;
}

function traceIdOf({ headers: { traceparent } }: IncomingMessage): string | null {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(String(traceparent))?.[1] ?? null;
}
