// Posts to the function that draws thumbnails: one invocation a picture, since it may use up what an isolate has.

import { type Log, sweepStamp, sweepStampHeader } from "../../../shared/backend/mod.ts";
import type { Environment } from "./environment.ts";

/** It answers before it draws; this leaves it the time to start. */
const deadlineMs = 10_000;
const accepted = 202;

export function wakeThumbnails(
  { functionsUrl, sweepSecret }: Environment,
  log: Log,
  pictures: number,
): Promise<void> {
  return log.step("wake_thumbnails", { thumbnails: pictures }, async (line) => {
    const stamp = await sweepStamp(sweepSecret, Date.now() / 1000);
    const statuses = await Promise.all(Array.from({ length: pictures }, async () => {
      const answer = await fetch(`${functionsUrl}/thumbnail`, {
        method: "POST",
        headers: { "content-type": "application/json", [sweepStampHeader]: stamp },
        body: "{}",
        signal: AbortSignal.timeout(deadlineMs),
      });
      await answer.body?.cancel();
      return answer.status;
    }));
    const refused = statuses.find((status) => status !== accepted);
    if (refused !== undefined) line.add({ outcome: "refused", status: refused });
  });
}
