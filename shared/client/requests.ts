// Taps on their way to the backend: kept before the network hears of them, sent under one key until somebody answers.

import { canonicalJson, hasEnded, type StartRequest } from "../contract/mod.ts";
import type { Backend } from "./backend.ts";
import { clientError, GenerationError, isPassing } from "./error.ts";
import type { GenerationRecord, StoredRequest } from "./record.ts";
import type { Records } from "./records.ts";
import { type Retry, retrying } from "./retry.ts";

/** After this long a tap is not sent by itself any more: it might be a picture that nobody waits for. */
const resendMs = 10 * 60_000;
/** A try takes less, so that whoever began it is gone. */
const staleMs = 60_000;

const doubleTapMs = 2000;

export interface Tap {
  request: StartRequest;
  key: string;
  draftId: string | null;
}

export interface Requests {
  /** Resolves once the backend has the job. The same key again is the same tap, whatever became of it. */
  send(tap: Tap, signal?: AbortSignal): Promise<GenerationRecord>;
  /** The key of a tap with these words that no answer has come for yet, or that was a moment ago: a double tap. */
  underway(request: StartRequest): string | null;
  /** Sends again what was not heard, with its key. */
  resend(key: string, signal?: AbortSignal): Promise<GenerationRecord>;
  /** Forgets a tap that has not become a job. Answers false where it has: then it is the job's to cancel. */
  discard(key: string, signal?: AbortSignal): Promise<boolean>;
  /** Sends what has been waiting for a network. */
  resume(): Promise<void>;
}

export function createRequests(
  { backend, records, retry }: { backend: Pick<Backend, "start" | "jobs">; records: Records; retry: Retry },
): Requests {
  const sending = new Map<string, Promise<GenerationRecord>>();
  const now = () => retry.clock.now();

  function found(key: string): GenerationRecord {
    const record = records.get(key);
    if (!record) throw clientError("no_such_record");
    return record;
  }

  async function attempt(request: StoredRequest, signal?: AbortSignal): Promise<GenerationRecord> {
    const { key } = request;
    const note = (more: Partial<StoredRequest>) => records.note({ ...request, triedAtMs: now(), ...more });
    await note({ phase: "sending", error: null });
    try {
      const answer = await retrying(retry, signal, () => backend.start(key, request.request, signal));
      records.merge({ jobs: [{ key, job: answer.job }], images: [] });
      records.noteQueue(answer.job.id, answer.queue, now());
      // What has ended is kept no longer: found again after a relaunch it would end a second time.
      if (hasEnded(found(key).job!)) await records.forget(key);
      else await note({ phase: "accepted", error: null });
    } catch (error) {
      // Meanwhile somebody may have read or been pushed that it has become a job.
      if (records.get(key)?.job) return found(key);
      const isHeard = error instanceof GenerationError && !isPassing(error) && error.code !== "signed_out";
      const facts = error instanceof GenerationError ? { ...error.facts } : null;
      // Discarded meanwhile: then it stays so.
      if (records.request(key)) await note({ phase: isHeard ? "refused" : "unsent", error: facts });
      throw error;
    }
    return found(key);
  }

  function send(request: StoredRequest, signal?: AbortSignal): Promise<GenerationRecord> {
    const { key } = request;
    const running = sending.get(key) ?? attempt(request, signal).finally(() => sending.delete(key));
    sending.set(key, running);
    return running;
  }

  const isWaiting = ({ key, phase, triedAtMs, error }: StoredRequest) =>
    !sending.has(key) && !records.get(key)?.job &&
    (phase === "unsent" && error !== null || phase === "sending" && now() - triedAtMs > staleMs);

  return {
    send({ request, key, draftId }, signal) {
      if (records.get(key)?.job) return Promise.resolve(found(key));
      const known = records.request(key);
      const tappedAt = known?.tappedAt ?? new Date(now()).toISOString();
      return send(
        { key, draftId, request, phase: "sending", error: null, tappedAt, triedAtMs: now() },
        signal,
      );
    },
    underway(request) {
      const words = canonicalJson(request);
      const same = records.requests().find((each) =>
        each.draftId === null && canonicalJson(each.request) === words &&
        (sending.has(each.key) ||
          each.phase === "accepted" && now() - Date.parse(each.tappedAt) < doubleTapMs)
      );
      return same?.key ?? null;
    },
    async resend(key, signal) {
      const request = records.request(key);
      if (!request || records.get(key)?.job) return found(key);
      return await send(request, signal);
    },
    async discard(key, signal) {
      const request = records.request(key);
      if (!request) return records.get(key) === null;
      if (request.phase !== "refused") {
        // It may have been heard: the backend knows.
        records.merge({ jobs: await backend.jobs("idempotency_key", [key], signal), images: [] });
      }
      if (records.get(key)?.job) return false;
      await records.forget(key);
      return true;
    },
    async resume() {
      for (const request of records.requests().filter(isWaiting)) {
        const isFresh = now() - Date.parse(request.tappedAt) < resendMs;
        // What came of it stands in the record.
        if (isFresh) await send(request).catch(() => {});
        else if (request.phase === "sending") await records.note({ ...request, phase: "unsent" });
      }
    },
  };
}
