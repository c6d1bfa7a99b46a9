// One request to Storage as the user: with a good token, given up when it stands still, its refusals as errors.

import type { Clock } from "../clock.ts";
import { clientError, errorOfAnswer } from "../error.ts";
import type { Lifecycle } from "../lifecycle.ts";
import type { Session } from "../session.ts";
import { anyOf, throwIfAborted } from "../signal.ts";
import type { Incoming, Outgoing, Send } from "./send.ts";

/** Answers 2xx, 404, 409 and 410; throws what else is said: a GenerationError, or the signal's reason. */
export type Ask = (outgoing: Outgoing, onSent?: (bytes: number) => void) => Promise<Incoming>;

/** A request that moves no byte for so long is dead; after the app was away it is known sooner. */
const stalledMs = 120_000;
const stalledOnReturnMs = 15_000;
const telling: ReadonlySet<number> = new Set([404, 409, 410]);
/** Too big, or not of the bucket's types. */
const unusable: ReadonlySet<number> = new Set([413, 415]);
/** Another request holds the upload, or there were too many. */
const busy: ReadonlySet<number> = new Set([423, 429]);

export interface AskPorts {
  session: Session;
  clock: Clock;
  lifecycle: Lifecycle;
  send: Send;
}

export function createAsk({ session, clock, lifecycle, send }: AskPorts, signal?: AbortSignal): Ask {
  return async (outgoing, onSent) => {
    const { token } = await session.ensure(signal);
    const dead = new AbortController();
    let callOff = () => {};
    const within = (ms: number) => {
      callOff();
      callOff = clock.after(ms, () => dead.abort());
    };
    within(stalledMs);
    const leave = lifecycle.onReturn(() => within(stalledOnReturnMs));
    const either = anyOf([signal, dead.signal]);
    const headers = { ...outgoing.headers, authorization: `Bearer ${token}` };
    try {
      const answer = await send({ ...outgoing, headers }, {
        signal: either.signal,
        onSent(bytes) {
          within(stalledMs);
          onSent?.(bytes);
        },
      });
      const status = statusOf(answer);
      if (status < 300 || telling.has(status)) return { ...answer, status };
      if (unusable.has(status)) throw clientError("unusable_input");
      throw busy.has(status) ? clientError("offline") : errorOfAnswer(status, null);
    } catch (error) {
      throwIfAborted(signal);
      throw error instanceof TypeError || dead.signal.aborted
        ? clientError("offline", { cause: error })
        : error;
    } finally {
      callOff();
      leave();
      either.leave();
    }
  };
}

/** Storage answers 400 whatever went wrong, and says in the body what it was. */
function statusOf({ status, body }: Incoming): number {
  const told = status === 400 ? /"statusCode":"?(\d{3})/.exec(body)?.[1] : undefined;
  return told === undefined ? status : Number(told);
}
