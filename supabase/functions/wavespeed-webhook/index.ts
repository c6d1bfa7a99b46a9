// POST wavespeed-webhook?attempt=…&token=…: the provider's callback, signed over its raw bytes.

import { maxCallbackBytes, receiveCallback } from "../../../shared/backend/mod.ts";
import { afterAnswer } from "../_shared/after.ts";
import { json, problem } from "../_shared/answers.ts";
import { machineEndpoint } from "../_shared/endpoint.ts";

export default machineEndpoint(maxCallbackBytes, async ({ request, body, traceId, backend }) => {
  const query = new URL(request.url).searchParams;
  const received = await receiveCallback(backend, {
    headers: request.headers,
    body,
    attemptId: query.get("attempt"),
    token: query.get("token"),
  });
  if (received.kind === "refused") return problem("unauthorized", traceId);
  if (received.kind === "malformed") return problem("invalid_json", traceId);
  if (received.after !== null) afterAnswer("follow_up", traceId, received.after());
  return json(200, { received: true }, traceId);
});
