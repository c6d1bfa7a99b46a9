// Stores what the provider delivered: fetch, check, upload under the lease's own path, record. A picture counts when
// it is recorded; whatever a lost worker left behind unrecorded is purged.

import { sha256Hex } from "./digest.ts";
import type { Persist } from "./kernel.ts";
import { errorFields, type Line } from "./log.ts";
import type { Told } from "./log-fields.ts";
import { fetchOutput } from "./output.ts";
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
  const signal = AbortSignal.timeout(Math.max(0, claim.leaseSeconds * 1000 - recordMarginMs));
  const failures: { index: number; permanent: boolean }[] = [];
  // One after the other: two large pictures at once would not fit a function's memory.
  for (const image of claim.images) {
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
}

async function persistImage(
  { kernel, store, fetch, config }: Backend,
  claim: Persist,
  image: Persist["images"][number],
  signal: AbortSignal,
  line: Line,
): Promise<"permanent" | "transient" | null> {
  const trustedOrigin = new URL(config.wavespeedBaseUrl).origin;
  const output = await fetchOutput({
    url: image.url,
    fetch,
    signal,
    trustedOrigin: trustedOrigin === providerOrigin ? null : trustedOrigin,
  });
  if (output.kind !== "image") {
    line.add({ outcome: output.kind, reason: output.reason });
    return output.kind === "unusable" ? "permanent" : "transient";
  }
  try {
    await store.upload(picturesBucket, image.path, output.bytes, output.facts.contentType);
    const { recorded } = await kernel.recordImage(claim.attemptId, claim.leaseToken, {
      index: image.index,
      ...output.facts,
      bytes: output.bytes.byteLength,
      sha256: await sha256Hex(output.bytes),
      flagged: image.flagged,
    });
    line.add({ outcome: recorded ? "stored" : "lease_lost", image_bytes: output.bytes.byteLength });
    return recorded ? null : "transient";
  } catch (error) {
    line.add({ outcome: "failed", ...errorFields(error) });
    return "transient";
  }
}
