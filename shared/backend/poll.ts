// Asks the provider for what no callback brought: results of known tasks, and its list for submits without an answer.

import { inTurn } from "./in-turn.ts";
import type { Listing, Poll, Settled } from "./kernel.ts";
import type { Line } from "./log.ts";
import type { Backend } from "./ports.ts";
import { followUp, settle } from "./settle.ts";

const pageSize = 100;
/** 5,000 predictions of one model in a few minutes is far above any account's limit. */
const maxPages = 50;

/** Polls one attempt, if it is due. */
export async function pollAttempt(backend: Backend, attemptId: string): Promise<void> {
  const { polls } = await backend.kernel.claimPolls(backend.newId(), 1, attemptId);
  for (const poll of polls) {
    const settled = await pollTask(backend, poll);
    if (settled !== null && settled !== "rate_limited") await followUp(backend, settled);
  }
}

/** Polls and lists what is due and settles it; storing and dispatching are the caller's. Answers how many it asked for. */
export function pollDue(backend: Backend, limit: number): Promise<number> {
  return backend.log.step("polls", {}, (line) => pollClaimed(backend, limit, line));
}

async function pollClaimed(backend: Backend, limit: number, line: Line): Promise<number> {
  const claimId = backend.newId();
  const { polls, listings } = await backend.kernel.claimPolls(claimId, limit);
  line.add({ polls: polls.length, listings: listings.length });
  let isLimited = false;
  await inTurn([
    ...polls.map((poll) => async () => {
      // The rest is due again by itself; going on would only lengthen the limit.
      if (!isLimited) isLimited = await pollTask(backend, poll) === "rate_limited";
    }),
    ...listings.map((listing) => () => look(backend, claimId, listing)),
  ]);
  return polls.length + listings.length;
}

function pollTask(
  backend: Backend,
  { taskId, traceId, attemptId }: Poll,
): Promise<Settled | "rate_limited" | null> {
  return backend.log.step("poll", { trace_id: traceId, attempt_id: attemptId }, async (line) => {
    const answer = await backend.provider.result(taskId);
    line.add({ outcome: answer.kind, reason: answer.kind === "unavailable" ? answer.cause : undefined });
    if (answer.kind === "rate_limited") return "rate_limited";
    // Not found is neither an end nor a proof of absence, and an unreachable provider proves nothing at all.
    if (answer.kind !== "prediction") return null;
    line.add({ outcome: "settled" });
    return await settle(backend, answer.prediction, null, line);
  });
}

function look(backend: Backend, claimId: string, listing: Listing): Promise<void> {
  const ids = { trace_id: listing.traceId, attempt_id: listing.attemptId };
  return backend.log.step("listing", ids, (line) => compareListing(backend, claimId, listing, line));
}

async function compareListing(
  backend: Backend,
  claimId: string,
  listing: Listing,
  line: Line,
): Promise<void> {
  const found: { id: string; createdAt: string; matches: boolean }[] = [];
  let complete = false;
  for (let page = 1; page <= maxPages; page++) {
    const answer = await backend.provider.list({
      modelId: listing.path,
      createdAfter: listing.from,
      createdBefore: listing.to,
      page,
      pageSize,
    });
    if (answer.kind !== "ok" || answer.value.unreadable > 0) break;
    for (const { id, createdAt, input } of answer.value.items) {
      const matches = input !== undefined && listing.seed !== null && listing.prompt !== null &&
        input["prompt"] === listing.prompt &&
        input["seed"] === listing.seed;
      // Without a time it cannot be placed outside the window, so it counts as inside.
      found.push({ id, createdAt: createdAt ?? listing.from, matches });
    }
    if (answer.value.items.length === 0) {
      complete = true;
      break;
    }
  }
  const { decision } = await backend.kernel.recordListing(listing.attemptId, {
    claimId,
    predictions: found,
    complete,
  });
  line.add({ outcome: decision, predictions: found.length });
}
