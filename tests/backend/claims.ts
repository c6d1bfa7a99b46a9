// What the kernel hands out, as its JSON arrives.

import type { Prediction, Submission } from "../../shared/wavespeed/mod.ts";
import { type Arguments, attemptId, jobId, leaseToken, traceId } from "./fake-backend.ts";

export const model = {
  path: "wavespeed-ai/flux-schnell",
  ratios: { "1:1": { size: "1024*1024" } },
  fixed: { output_format: "jpeg" },
  images_field: "num_images",
  inputs_field: "images",
  seed_field: "seed",
};

export function claimOf(more: Arguments = {}): Arguments {
  return {
    attemptId,
    leaseToken,
    leaseSeconds: 45,
    jobId,
    traceId,
    attempt: 1,
    model,
    prompt: "a lighthouse at dusk",
    aspectRatio: "1:1",
    numImages: 2,
    seed: 77,
    inputPaths: [],
    submitDeadlineSeconds: 30,
    ...more,
  };
}

export function persistOf(more: Arguments = {}): Arguments {
  return {
    attemptId,
    jobId,
    traceId,
    leaseToken,
    leaseSeconds: 140,
    images: [{ index: 0, url: "https://cdn.example.com/0.png", path: "u/j/0-9c3e5a70", flagged: false }],
    ...more,
  };
}

export function listingOf(more: Arguments = {}): Arguments {
  return {
    attemptId,
    traceId,
    path: "wavespeed-ai/flux-schnell",
    from: "2026-11-22T11:00:00+00:00",
    to: "2026-11-22T11:03:00+00:00",
    prompt: "a lighthouse at dusk",
    seed: 77,
    ...more,
  };
}

export function predictionOf(more: Partial<Prediction> = {}): Prediction {
  return {
    id: "task-1",
    model: "wavespeed-ai/flux-schnell",
    status: "completed",
    rawStatus: "completed",
    outputs: ["https://cdn.example.com/0.png"],
    otherOutputs: [],
    flagged: [false],
    error: null,
    errorCode: null,
    createdAt: "2026-11-22T11:01:00.000Z",
    inferenceMs: 900,
    ...more,
  };
}

export function acceptedAs(taskId: string): Submission {
  return {
    kind: "accepted",
    taskId,
    status: "created",
    prediction: predictionOf({ id: taskId, status: "created", outputs: [], flagged: [] }),
  };
}
