// POST wavespeed-webhook?attempt=…&token=…: the provider's callback, signed over its raw bytes.

import { maxCallbackBytes, receiveCallback } from "../../../shared/backend/mod.ts";
import { afterAnswer } from "../_shared/after.ts";
import { json, problem } from "../_shared/answers.ts";
import { machineEndpoint } from "../_shared/endpoint.ts";

export default machineEndpoint("wavespeed-webhook", maxCallbackBytes, async (call) => {
  const { request, body, traceId, backend, line } = call;
  const query = new URL(request.url).searchParams;
  const received = await receiveCallback(backend, {
    headers: request.headers,
    body,
    attemptId: query.get("attempt"),
    token: query.get("token"),
  }, line);
  if (received.kind === "refused") return problem("unauthorized", call);
  if (received.kind === "malformed") return problem("invalid_json", call);
  if (received.after !== null) afterAnswer(received.after());
  return json(200, { received: true }, traceId);
});
