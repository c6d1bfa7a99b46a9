// The kernel's functions as the backend calls them. SQL decides; this only carries the question and checks the
// answer's shape. Each of them may be asked again with the same arguments, so a lost answer is asked for once more.

import * as z from "zod";
import { CancelAnswer, StartAnswer } from "../contract/mod.ts";

/** Calls a database function. Throws a KernelError. */
export type Rpc = (name: string, args: Record<string, unknown>) => Promise<unknown>;

export class KernelError extends Error {
  override readonly name = "KernelError";
  /** SQLSTATE, or the transport's word for it. */
  readonly code: string;
  /** The answer was lost on the way: what was asked may have been done. */
  readonly isTransport: boolean;
  /** The database function's name. */
  readonly call: string;
  constructor(call: string, code: string, isTransport: boolean) {
    super(`${call} failed with ${code}`);
    this.call = call;
    this.code = code;
    this.isTransport = isTransport;
  }
}

const Refusal = z.object({
  ok: z.literal(false),
  error: z.object({
    code: z.string(),
    fields: z.array(z.string()).optional(),
    /** SQL gathers them: null where there is none, such as a catalogue with every model disabled. */
    allowed: z.array(z.union([z.string(), z.number()])).nullable().transform((list) => list ?? []).optional(),
    retryAfterSeconds: z.number().optional(),
    balance: z.number().optional(),
    price: z.number().optional(),
    cap: z.string().optional(),
    limit: z.number().optional(),
  }),
});
export type Refusal = z.infer<typeof Refusal>;

const Started = StartAnswer.extend({ ok: z.literal(true), replay: z.boolean() });
const Canceled = CancelAnswer.omit({ providerTold: true }).extend({
  ok: z.literal(true),
  tellTaskIds: z.array(z.string()),
});

const Claim = z.object({
  attemptId: z.uuid(),
  leaseToken: z.uuid(),
  jobId: z.uuid(),
  traceId: z.string(),
  /** Its number within the job. */
  attempt: z.number().int(),
  /** A ProviderModel, checked by who builds the input: a bad catalogue row must fail its own jobs, not every claim. */
  model: z.unknown(),
  /** Null once its owner is erased. */
  prompt: z.string().nullable(),
  aspectRatio: z.string(),
  numImages: z.number().int(),
  seed: z.number().int().nullable(),
  inputPaths: z.array(z.string()),
  submitDeadlineSeconds: z.number(),
});
export type Claim = z.infer<typeof Claim>;
/** User ids are not ours to mint: an imported one may be no RFC 9562 UUID. */
const Claims = z.object({ claims: z.array(Claim), skippedUserIds: z.array(z.guid()) });

const Go = z.discriminatedUnion("go", [
  z.object({ go: z.literal(true), leaseSeconds: z.number() }),
  z.object({ go: z.literal(false), reason: z.string() }),
]);

export type SubmissionOutcome =
  | { kind: "accepted"; taskId: string }
  | { kind: "rejected"; class: string; retryAfterSeconds?: number }
  | { kind: "unknown"; cause: string };
const Recorded = z.object({ recorded: z.boolean() });
/** Why not: `upload_short`, or nothing said where the lease or the job is over. */
const RecordedImage = Recorded.extend({ reason: z.string().optional() });
/** The tasks are those of a job that was canceled meanwhile. */
const RecordedSubmission = Recorded.extend({ tellTaskIds: z.array(z.string()) });

export interface SettledResult {
  status: string;
  outputs: string[];
  flagged: boolean[];
  class: string | null;
}
const Settled = z.object({
  next: z.enum(["persist", "wait", "none", "unknown_task"]),
  jobId: z.uuid().optional(),
  attemptId: z.uuid().optional(),
  /** The job's. */
  traceId: z.string().optional(),
  status: z.string().optional(),
});
export type Settled = z.infer<typeof Settled>;

const Persist = z.object({
  attemptId: z.uuid(),
  jobId: z.uuid(),
  traceId: z.string(),
  leaseToken: z.uuid(),
  leaseSeconds: z.number(),
  images: z.array(
    z.object({ index: z.number().int(), url: z.string(), path: z.string(), flagged: z.boolean() }),
  ),
});
export type Persist = z.infer<typeof Persist>;
const Persists = z.object({ claims: z.array(Persist) });

export interface StoredImage {
  index: number;
  width: number;
  height: number;
  bytes: number;
  sha256: string;
  contentType: string;
  flagged: boolean;
}

const Listing = z.object({
  attemptId: z.uuid(),
  traceId: z.string(),
  path: z.string(),
  from: z.string(),
  to: z.string(),
  prompt: z.string().nullable(),
  seed: z.number().int().nullable(),
});
export type Listing = z.infer<typeof Listing>;
const Poll = z.object({ attemptId: z.uuid(), taskId: z.string(), traceId: z.string() });
export type Poll = z.infer<typeof Poll>;
const Polls = z.object({
  polls: z.array(Poll),
  listings: z.array(Listing),
});

const ThumbnailClaim = z.object({
  imageId: z.uuid(),
  jobId: z.uuid(),
  index: z.number().int(),
  traceId: z.string(),
  path: z.string(),
  thumbPath: z.string(),
  maxPixels: z.number().int(),
});
export type ThumbnailClaim = z.infer<typeof ThumbnailClaim>;
const Thumbnails = z.object({ thumbnails: z.array(ThumbnailClaim) });

/** What a try came to. A failure is for good: a word for why there will be no thumbnail. */
export type ThumbnailOutcome = { thumbhash: string } | { failure: string };

const Purges = z.object({
  purges: z.array(z.object({ id: z.uuid(), bucketId: z.string(), path: z.string() })),
});
const Work = z.record(z.string(), z.number());
export type Work = z.infer<typeof Work>;
const Ended = z.object({ status: z.string().nullable() });
const Decided = z.object({ decision: z.enum(["none", "adopted", "absent", "undecided"]) });
const Noted = z.object({
  known: z.boolean(),
  pollDue: z.boolean(),
  jobId: z.uuid().optional(),
  traceId: z.string().optional(),
});

/** Calls `rpc` as the kernel's functions. */
export function createKernel(rpc: Rpc) {
  async function ask<Answer>(
    name: string,
    args: Record<string, unknown>,
    shape: z.ZodType<Answer>,
  ): Promise<Answer> {
    let answer: unknown;
    try {
      answer = await rpc(name, args);
    } catch (error) {
      if (!(error instanceof KernelError && error.isTransport)) throw error;
      answer = await rpc(name, args);
    }
    const read = shape.safeParse(answer);
    if (!read.success) throw new KernelError(name, "unexpected_answer", false);
    return read.data;
  }

  return {
    start: (request: {
      userId: string;
      idempotencyKey: string;
      requestHash: string;
      request: Record<string, unknown>;
      traceId: string;
    }) =>
      ask("start_generation", {
        p_user_id: request.userId,
        p_idempotency_key: request.idempotencyKey,
        p_request_hash: request.requestHash,
        p_request: request.request,
        p_trace_id: request.traceId,
      }, z.union([Started, Refusal])),

    cancel: (userId: string, jobId: string) =>
      ask("cancel_generation", { p_user_id: userId, p_job_id: jobId }, z.union([Canceled, Refusal])),

    claimGenerations: (claimId: string, limit: number) =>
      ask("claim_generations", { p_claim_id: claimId, p_limit: limit }, Claims),

    /** Waits until these users' accounts are free. */
    awaitAccounts: (userIds: string[]) =>
      ask("await_accounts", { p_users: { user_ids: userIds } }, z.unknown()),

    markSending: (attemptId: string, leaseToken: string, sendId: string, callbackTokenHash: string) =>
      ask("mark_sending", {
        p_attempt_id: attemptId,
        p_lease_token: leaseToken,
        p_send_id: sendId,
        p_callback_token_hash: callbackTokenHash,
      }, Go),

    recordSubmission: (attemptId: string, sendId: string, outcome: SubmissionOutcome) =>
      ask(
        "record_submission",
        { p_attempt_id: attemptId, p_send_id: sendId, p_outcome: outcome },
        RecordedSubmission,
      ),

    recordListing: (
      attemptId: string,
      listing: {
        claimId: string;
        predictions: { id: string; createdAt: string; matches: boolean }[];
        complete: boolean;
      },
    ) => ask("record_listing", { p_attempt_id: attemptId, p_listing: listing }, Decided),

    settle: (taskId: string, attemptId: string | null, result: SettledResult) =>
      ask("settle_generation", { p_task_id: taskId, p_attempt_id: attemptId, p_result: result }, Settled),

    noteCallback: (attemptId: string, tokenHash: string) =>
      ask("note_callback", { p_attempt_id: attemptId, p_token_hash: tokenHash }, Noted),

    claimPersists: (claimId: string, limit: number, attemptId: string | null = null) =>
      ask("claim_persists", { p_claim_id: claimId, p_limit: limit, p_attempt_id: attemptId }, Persists),

    recordImage: (attemptId: string, leaseToken: string, image: StoredImage) =>
      ask(
        "record_image",
        { p_attempt_id: attemptId, p_lease_token: leaseToken, p_image: image },
        RecordedImage,
      ),

    complete: (attemptId: string, leaseToken: string, failures: { index: number; permanent: boolean }[]) =>
      ask("complete_generation", {
        p_attempt_id: attemptId,
        p_lease_token: leaseToken,
        p_failures: { failures },
      }, Ended),

    claimPolls: (claimId: string, limit: number, attemptId: string | null = null) =>
      ask("claim_polls", { p_claim_id: claimId, p_limit: limit, p_attempt_id: attemptId }, Polls),

    claimThumbnails: (claimId: string, limit: number) =>
      ask("claim_thumbnails", { p_claim_id: claimId, p_limit: limit }, Thumbnails),

    recordThumbnail: (imageId: string, outcome: ThumbnailOutcome) =>
      ask("record_thumbnail", { p_image_id: imageId, p_thumbnail: outcome }, Recorded),

    claimPurges: (claimId: string, limit: number) =>
      ask("claim_purges", { p_claim_id: claimId, p_limit: limit }, Purges),

    recordPurge: (claimId: string, ids: string[]) =>
      ask("record_purge", { p_claim_id: claimId, p_removed: { ids } }, z.unknown()),

    recordProviderBalance: (balanceUsd: number) =>
      ask("record_provider_balance", { p_balance_usd: balanceUsd }, z.unknown()),

    recordSweep: (sweep: { startedAt: string; counts: Work; errors: number }) =>
      ask("record_sweep", { p_sweep: sweep }, z.unknown()),

    workDue: () => ask("http_work_due", {}, Work),
  };
}
export type Kernel = ReturnType<typeof createKernel>;
