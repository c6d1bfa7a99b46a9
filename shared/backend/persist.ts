// Stores what the provider delivered: opens it, pipes it into an upload under the lease's own path, records it. A
// picture counts when it is recorded; whatever else was left under that path, by a lost worker or by an upload that
// broke off, is purged.

import type { Persist } from "./kernel.ts";
import { errorFields, type Line } from "./log.ts";
import type { Told } from "./log-fields.ts";
import { openOutput, type OutputFault } from "./output.ts";
import type { Ending, PictureStream } from "./picture-stream.ts";
import type { Backend } from "./ports.ts";

export const picturesBucket = "generations";
/** Left of the lease for recording, after the last byte. */
const recordMarginMs = 10_000;
const providerOrigin = "https://api.wavespeed.ai";

/** Stores one attempt's pictures, if nobody else is at it. */
export async function persistAttempt(backend: Backend, attemptId: string): Promise<void> {
  const { claims } = await backend.kernel.claimPersists(backend.newId(), 1, attemptId);
  for (const claim of claims) await persist(backend, claim);
}

/** Stores one job that is due, if any; answers how many. One at a time: a lease runs from the claim, not from its turn. */
export function persistDue(backend: Backend): Promise<number> {
  return backend.log.step("persists", {}, async (line) => {
    const { claims } = await backend.kernel.claimPersists(backend.newId(), 1);
    line.add({ persists: claims.length });
    for (const claim of claims) await persist(backend, claim);
    return claims.length;
  });
}

function persist(backend: Backend, claim: Persist): Promise<void> {
  const told = { ...idsOf(claim), images: claim.images.length };
  return backend.log.step("persist", told, (line) => persistImages(backend, claim, line));
}

function idsOf({ traceId, jobId, attemptId }: Persist): Told {
  return { trace_id: traceId, job_id: jobId, attempt_id: attemptId };
}

async function persistImages(backend: Backend, claim: Persist, line: Line): Promise<void> {
  const endsMs = backend.now() + Math.max(0, claim.leaseSeconds * 1000 - recordMarginMs);
  const failures: { index: number; permanent: boolean }[] = [];
  // One after the other: each takes some 10 MB and a tenth of a second of the CPU time that a worker's requests share,
  // and fills the line. Should the lease end before the last one, the first are recorded.
  for (const [place, image] of claim.images.entries()) {
    // A share of what is left: one that does not come must not take the others' time, lease after lease.
    const shareMs = (endsMs - backend.now()) / (claim.images.length - place);
    const signal = AbortSignal.timeout(Math.max(0, Math.floor(shareMs)));
    const failure = await backend.log.step(
      "store_image",
      { ...idsOf(claim), image_index: image.index },
      (imageLine) => persistImage(backend, claim, image, signal, imageLine),
    );
    if (failure !== null) failures.push({ index: image.index, permanent: failure === "permanent" });
  }
  line.add({ failures: failures.length });
  const { status } = await backend.kernel.complete(claim.attemptId, claim.leaseToken, failures);
  line.add({ job_status: status });
  if (status === "completed") backend.wakeThumbnails(claim.images.length);
}

type Failure = "permanent" | "transient";

async function persistImage(
  backend: Backend,
  claim: Persist,
  image: Persist["images"][number],
  signal: AbortSignal,
  line: Line,
): Promise<Failure | null> {
  const { fetch, config } = backend;
  const trustedOrigin = new URL(config.wavespeedBaseUrl).origin;
  const output = await openOutput({
    url: image.url,
    fetch,
    signal,
    trustedOrigin: trustedOrigin === providerOrigin ? null : trustedOrigin,
  });
  if (output.kind !== "image") return told(line, output);
  const { picture } = output;
  try {
    const ending = await uploadPicture(backend, image.path, picture, signal);
    if (ending.kind !== "whole") return told(line, ending);
    const { recorded, reason } = await backend.kernel.recordImage(claim.attemptId, claim.leaseToken, {
      index: image.index,
      ...picture.facts,
      bytes: ending.bytes,
      sha256: ending.sha256,
      flagged: image.flagged,
    });
    if (reason !== undefined) return told(line, { kind: "unavailable", reason });
    line.add({ outcome: recorded ? "stored" : "lease_lost", image_bytes: ending.bytes });
    return recorded ? null : "transient";
  } catch (error) {
    line.add({ outcome: "failed", ...errorFields(error) });
    return "transient";
  } finally {
    await picture.close();
  }
}

function told(line: Line, { kind, reason }: OutputFault): Failure {
  line.add({ outcome: kind, reason });
  return kind === "unusable" ? "permanent" : "transient";
}

/** "whole": all of it was read and sent. Whether Storage has it all is looked at where it is recorded. */
async function uploadPicture(
  { store }: Backend,
  path: string,
  { stream, declaredBytes, facts, ending }: PictureStream,
  signal: AbortSignal,
): Promise<Ending> {
  const body = { stream, bytes: declaredBytes, contentType: facts.contentType };
  let uploaded: "stored" | "taken";
  try {
    uploaded = await store.upload(picturesBucket, path, body, signal);
  } catch (error) {
    const ended = ending();
    // The upload failed because the picture did.
    if (ended !== null && ended.kind !== "whole") return ended;
    throw error;
  }
  // A path is one lease's, so this is what a repeated request or a broken upload left: not what was read here. The next
  // lease has a path of its own.
  if (uploaded === "taken") return { kind: "unavailable", reason: "path_taken" };
  return ending() ?? { kind: "unavailable", reason: "upload_short" };
}
