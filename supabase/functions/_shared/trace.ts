// The trace id of a request: the caller's W3C `traceparent`, or a fresh one.

const traceparentForm = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;
const noTrace = "0".repeat(32);

export function traceIdOf(headers: Headers): string {
  const traceId = traceparentForm.exec(headers.get("traceparent") ?? "")?.[1];
  return traceId === undefined || traceId === noTrace ? crypto.randomUUID().replaceAll("-", "") : traceId;
}
