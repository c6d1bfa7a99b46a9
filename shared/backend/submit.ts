// One attempt: at most one POST, and what it came to is recorded whatever it was.

import { buildInput, ProviderModel, type Submission } from "../wavespeed/mod.ts";
import { callbackToken, callbackTokenHash, callbackUrl } from "./callback-token.ts";
import { deliverInputs } from "./inputs.ts";
import type { Claim, SubmissionOutcome } from "./kernel.ts";
import { errorFields, type Line } from "./log.ts";
import type { Backend } from "./ports.ts";
import { tellProvider } from "./tell.ts";

export function submit(backend: Backend, claim: Claim): Promise<void> {
  const { traceId, jobId, attemptId, attempt } = claim;
  const ids = { trace_id: traceId, job_id: jobId, attempt_id: attemptId, attempt };
  return backend.log.step("submit", ids, (line) => submitOnce(backend, claim, line));
}

async function submitOnce(backend: Backend, claim: Claim, line: Line): Promise<void> {
  const { kernel, newId, config } = backend;
  const prepared = await prepareInput(backend, claim, line);
  const token = await callbackToken(config.callbackSecret, claim.attemptId);
  // What can throw stands before the mark: after it, silence means that something may have been sent.
  const webhookUrl = callbackUrl(config.webhookUrl, claim.attemptId, token);
  const sendId = newId();
  const askedAtMs = backend.now();
  const mark = await kernel.markSending(
    claim.attemptId,
    claim.leaseToken,
    sendId,
    await callbackTokenHash(token),
  );
  if (!mark.go) {
    return line.add({ outcome: "skipped", reason: mark.reason });
  }
  const outcome = prepared.kind === "refused"
    ? prepared.outcome
    : await post(backend, claim, prepared, webhookUrl, {
      // The lease runs from some moment after we asked, so this never overestimates what is left.
      leaseLeftMs: mark.leaseSeconds * 1000 - (backend.now() - askedAtMs),
    });
  line.add({
    outcome: outcome.kind,
    // Stays if recording it fails, which is when somebody must know whether the provider took it.
    submission: outcome.kind,
    provider_class: outcome.kind === "rejected" ? outcome.class : undefined,
    reason: outcome.kind === "unknown" ? outcome.cause : undefined,
    retry_after_seconds: outcome.kind === "rejected" ? outcome.retryAfterSeconds : undefined,
  });
  const { tellTaskIds } = await kernel.recordSubmission(claim.attemptId, sendId, outcome);
  // Canceled while the POST was under way: only now is there a task to tell of.
  if (tellTaskIds.length > 0) line.add({ provider_told: await tellProvider(backend, tellTaskIds, line) });
}

type Ready = { kind: "ready"; modelId: string; input: Record<string, unknown> };
type Prepared = Ready | { kind: "refused"; outcome: SubmissionOutcome };

async function prepareInput(backend: Backend, claim: Claim, line: Line): Promise<Prepared> {
  let inputUrls: string[] | null;
  try {
    inputUrls = await deliverInputs(backend, claim.inputPaths);
  } catch (error) {
    line.add({ input_fault: "inputs_unreachable", ...errorFields(error) });
    // Storage or the provider's upload is away for now: another attempt may well find it back.
    return { kind: "refused", outcome: { kind: "rejected", class: "interrupted" } };
  }
  if (inputUrls === null) {
    return { kind: "refused", outcome: { kind: "rejected", class: "input_missing" } };
  }
  try {
    const model = ProviderModel.parse(claim.model);
    if (claim.prompt === null) throw new RangeError("the prompt is gone");
    const input = buildInput(model, { ...claim, prompt: claim.prompt, inputUrls });
    return { kind: "ready", modelId: model.path, input };
  } catch (error) {
    // The catalogue row cannot express what it allows, or the words are erased: it would fail again.
    line.add({ input_fault: "catalogue_fault", ...errorFields(error) });
    return { kind: "refused", outcome: { kind: "rejected", class: "unsendable" } };
  }
}

async function post(
  { provider }: Backend,
  claim: Claim,
  { modelId, input }: Ready,
  webhookUrl: string | undefined,
  { leaseLeftMs }: { leaseLeftMs: number },
): Promise<SubmissionOutcome> {
  const deadlineMs = claim.submitDeadlineSeconds * 1000;
  // Begun later, the POST could outlive the lease, and a second worker could follow it.
  if (leaseLeftMs < deadlineMs) return { kind: "rejected", class: "interrupted" };
  const submission = await provider.submit({
    modelId,
    input,
    deadlineMs,
    ...(webhookUrl === undefined ? {} : { webhookUrl }),
  });
  return outcomeOf(submission);
}

function outcomeOf(submission: Submission): SubmissionOutcome {
  switch (submission.kind) {
    case "accepted":
      return { kind: "accepted", taskId: submission.taskId };
    case "rejected":
      return {
        kind: "rejected",
        // The client could not write it down, so the provider has said nothing.
        class: submission.class === "bad_input" && submission.httpStatus === null
          ? "unsendable"
          : submission.class,
        ...(submission.retryAfterSeconds === undefined
          ? {}
          : { retryAfterSeconds: submission.retryAfterSeconds }),
      };
    case "unknown":
      return { kind: "unknown", cause: submission.cause };
  }
}
