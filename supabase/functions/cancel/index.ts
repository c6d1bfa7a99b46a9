// POST cancel: ends the caller's job at once and says what becomes of its credits.

import { cancel, dispatch } from "../../../shared/backend/mod.ts";
import { CancelRequest } from "../../../shared/contract/mod.ts";
import { afterAnswer } from "../_shared/after.ts";
import { json, problem, refused } from "../_shared/answers.ts";
import { parseJson } from "../_shared/body.ts";
import { userEndpoint } from "../_shared/endpoint.ts";

const maxCancelBytes = 1024;

export default userEndpoint("cancel", maxCancelBytes, async (call) => {
  const { body, userId, traceId, backend, line } = call;
  const parsed = parseJson(body);
  if (typeof parsed !== "object" || parsed === null) return problem("invalid_json", call);
  const asked = CancelRequest.safeParse(parsed);
  if (!asked.success) return problem("invalid_request", call, { fields: ["jobId"] });
  const canceled = await cancel(backend, userId, asked.data.jobId, line);
  if (canceled.kind === "refused") return refused(canceled.refusal, call);
  afterAnswer(dispatch(backend));
  return json(200, canceled.answer, traceId);
});
