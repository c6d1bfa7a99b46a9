// POST thumbnail: draws one picture that is due. A function of its own, since a picture that takes too much CPU time or
// memory to decode ends the isolate with all that runs in it; here that is one counted try.

import { isSweepStamp, sweepStampHeader, thumbnailDue } from "../../../shared/backend/mod.ts";
import { afterAnswer } from "../_shared/after.ts";
import { json, problem } from "../_shared/answers.ts";
import { environmentOnce } from "../_shared/backend.ts";
import { machineEndpoint } from "../_shared/endpoint.ts";
import { draw } from "./draw.ts";

const maxBytes = 1024;
/** One after the other: pictures drawn at once share one memory, and would end each other's tries. */
let drawn: Promise<unknown> = Promise.resolve();

export default machineEndpoint("thumbnail", maxBytes, async (call) => {
  const { request, traceId, backend } = call;
  const stamp = request.headers.get(sweepStampHeader);
  if (!await isSweepStamp(stamp, environmentOnce().sweepSecret, backend.now() / 1000)) {
    return problem("unauthorized", call);
  }
  const drawing = drawn.then(() => thumbnailDue(backend, draw));
  drawn = drawing.catch(() => {
    // Told by its own line; the next has its turn.
  });
  afterAnswer(drawing);
  return json(202, {}, traceId);
});
