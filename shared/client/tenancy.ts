// One space at a time: that of whoever is signed in. Who leaves finds nothing kept for the next.

import { clientError } from "./error.ts";
import { createCell, type Live } from "./live.ts";
import { clearOthers, createShelf } from "./shelf.ts";
import { openSpace, type Ports, type Space } from "./space.ts";

export interface Tenancy {
  /** Null while nobody is signed in, or the space is being opened. */
  readonly current: Live<Space | null>;
  /** Of whoever is signed in; rejects with `signed_out`. Waits for the first word of the session. */
  space(): Promise<Space>;
  close(): Promise<void>;
}

export function createTenancy(ports: Ports): Tenancy {
  const { session, storage } = ports;
  const current = createCell<Space | null>(null);
  let begin: (space: Promise<Space>) => void;
  let space = new Promise<Space>((resolve) => begin = resolve);
  // Whoever asks for it hears that nobody is signed in.
  space.catch(() => {});
  let turn: Promise<void> = Promise.resolve();
  let last: string | null = null;

  async function leave(): Promise<void> {
    const left = current.get();
    current.set(null);
    await left?.close();
  }

  async function change(user: string | null, deliberately: boolean, before: string | null): Promise<void> {
    await leave();
    if (user === null) {
      // Whose session merely ended comes back to what was there; somebody else in between clears it.
      if (deliberately && before !== null) await createShelf(storage, before).clear();
      return;
    }
    await clearOthers(storage, user);
    current.set(await openSpace(ports, user));
  }

  const leaveSession = session.onUser((user, deliberately) => {
    const before = last;
    last = user;
    const changing = turn = turn.then(() => change(user, deliberately, before));
    const next = changing.then(() => {
      const opened = current.get();
      if (!opened) throw clientError("signed_out");
      return opened;
    });
    next.catch(() => {});
    begin(next);
    space = next;
  });

  return {
    current,
    space: () => space,
    async close() {
      leaveSession();
      await turn;
      await leave();
    },
  };
}

/** What `pick` finds in the current space, and `nobody` while there is none. */
export function followed<Value>(
  current: Live<Space | null>,
  pick: (space: Space) => Live<Value>,
  nobody: Value,
): Live<Value> {
  const value = createCell(nobody);
  let leave = () => {};
  const follow = () => {
    leave();
    const space = current.get();
    const from = space ? pick(space) : null;
    value.set(from ? from.get() : nobody);
    leave = from?.subscribe(() => value.set(from.get())) ?? (() => {});
  };
  follow();
  current.subscribe(follow);
  return value;
}
