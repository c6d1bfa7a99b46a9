// A job and a picture as they cross the wire, and as rows of their tables. Times are as PostgreSQL writes JSON.

import type { GenerationImage, GenerationJob } from "../../shared/contract/mod.ts";

export function jobOf(more: Partial<GenerationJob> = {}): GenerationJob {
  return {
    id: "51a7c0de-0d6b-4b4e-8a3c-6d1f6a2b7c01",
    status: "processing",
    modelId: "flux-schnell",
    aspectRatio: "1:1",
    numImages: 2,
    seed: null,
    attempts: 0,
    errorCode: null,
    retryable: false,
    creditsHeld: 2,
    creditsCaptured: null,
    retryOf: null,
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    seq: 3,
    createdAt: "2026-11-22T12:00:00.123456+00:00",
    updatedAt: "2026-11-22T12:00:02+00:00",
    submittingAt: "2026-11-22T12:00:01.5+00:00",
    processingAt: "2026-11-22T12:00:02+00:00",
    persistingAt: null,
    endedAt: null,
    ...more,
  };
}

export function imageOf(more: Partial<GenerationImage> = {}): GenerationImage {
  return {
    id: "6d1f6a2b-0d6b-4b4e-8a3c-51a7c0de7c01",
    jobId: "51a7c0de-0d6b-4b4e-8a3c-6d1f6a2b7c01",
    index: 0,
    path: "7e57ab1e-2c4d-4e6f-8a0b-1c2d3e4f5a01/51a7c0de-0d6b-4b4e-8a3c-6d1f6a2b7c01/0-9c3e5a70",
    thumbPath: null,
    width: 1024,
    height: 1024,
    bytes: 184_233,
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    contentType: "image/jpeg",
    thumbhash: null,
    flagged: false,
    favorite: false,
    createdAt: "2026-11-22T12:00:05.1+00:00",
    deletedAt: null,
    seq: 5,
    ...more,
  };
}

/** The same in snake case, as the data API names columns. */
export function rowOf(wire: GenerationJob | GenerationImage): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(wire).map((
      [name, value],
    ) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]),
  );
}
