// The image provider, WaveSpeed AI: an HTTP client, the callback signature, error classes and request building.
// It knows nothing of jobs, attempts or credits, keeps no state and never repeats a request: when to try again is
// the kernel's decision. Web APIs and zod only, so it runs unchanged in Deno Edge Functions and in Node.

export {
  type CallOptions,
  createWavespeed,
  type SubmitRequest,
  type Wavespeed,
  type WavespeedOptions,
} from "./client.ts";
export type { Page, ProviderCatalogueEntry } from "./endpoint-data.ts";
export type { Answer, NoAnswer } from "./answer.ts";
export { type FailureClass, failureClass } from "./failure.ts";
export {
  ended,
  type ParsedPrediction,
  parsePrediction,
  type Prediction,
  type PredictionStatus,
  predictionStatuses,
} from "./prediction.ts";
export type { RejectionClass } from "./rejection.ts";
export { redact } from "./redact.ts";
export { buildInput, type GenerationRequest, ProviderModel } from "./request.ts";
export {
  type SignatureProblem,
  signWebhook,
  type Verification,
  verifyWebhook,
  type WebhookHeaders,
} from "./signature.ts";
export type { Submission, UnknownCause } from "./submission.ts";
