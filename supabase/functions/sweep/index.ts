// POST sweep: the database's knock. Answers what is due at once, for the knock waits only seconds; works after that.

import { isSweepStamp, sweep, sweepStampHeader } from "../../../shared/backend/mod.ts";
import { afterAnswer } from "../_shared/after.ts";
import { json, problem } from "../_shared/answers.ts";
import { environmentOnce } from "../_shared/backend.ts";
import { machineEndpoint } from "../_shared/endpoint.ts";

const maxSweepBytes = 1024;

export default machineEndpoint("sweep", maxSweepBytes, async (call) => {
  const { request, traceId, backend, line } = call;
  const stamp = request.headers.get(sweepStampHeader);
  if (!await isSweepStamp(stamp, environmentOnce().sweepSecret, backend.now() / 1000)) {
    return problem("unauthorized", call);
  }
  const due = await backend.kernel.workDue();
  line.add({ due: Object.values(due).reduce((sum, one) => sum + one, 0) });
  afterAnswer(sweep(backend));
  return json(202, { due }, traceId);
});
