// POST start-generation: answers as soon as the job is queued; the submit goes on after the answer.

import { dispatch, start } from "../../../shared/backend/mod.ts";
import {
  IdempotencyKey,
  idempotencyKeyHeader,
  maxStartBytes,
  StartRequest,
} from "../../../shared/contract/mod.ts";
import { afterAnswer } from "../_shared/after.ts";
import { json, problem, refused } from "../_shared/answers.ts";
import { parseJson } from "../_shared/body.ts";
import { userEndpoint } from "../_shared/endpoint.ts";

/** A misspelt field is named back; a body that came as a field name is not. */
const maxNamedFields = 20;
const maxNameLength = 100;

export default userEndpoint("start-generation", maxStartBytes, async (call) => {
  const { request, body, userId, traceId, backend, line } = call;
  const key = IdempotencyKey.safeParse(request.headers.get(idempotencyKeyHeader)?.toLowerCase());
  if (!key.success) return problem("idempotency_key_missing", call, { fields: ["Idempotency-Key"] });
  const parsed = parseJson(body);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    return problem("invalid_json", call);
  }
  const asked = StartRequest.safeParse(parsed);
  if (!asked.success) {
    const fields = asked.error.issues.flatMap((issue) =>
      issue.code === "unrecognized_keys" ? issue.keys : [issue.path.join(".")]
    );
    return problem("invalid_request", call, {
      fields: [...new Set(fields)].slice(0, maxNamedFields).map((name) => name.slice(0, maxNameLength)),
    });
  }
  const started = await start(
    backend,
    { userId, idempotencyKey: key.data, request: asked.data, traceId },
    line,
  );
  if (started.kind === "refused") return refused(started.refusal, call);
  // On a replay too: the first call may have died before it handed the job on.
  afterAnswer(dispatch(backend));
  return json(started.kind === "started" ? 202 : 200, started.answer, traceId);
});
