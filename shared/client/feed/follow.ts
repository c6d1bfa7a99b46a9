// A feed that lives longer than a user's session: empty while nobody is signed in, and anew with whoever is.

import { createCell, type Live } from "../live.ts";
import type { Space } from "../space.ts";
import { emptyFeed, type Feed, type FeedQuery, type FeedState, openFeed } from "./mod.ts";

export function followFeed(current: Live<Space | null>, first: FeedQuery): Feed {
  const state = createCell<FeedState>(emptyFeed(first));
  let query = first;
  let inner: Feed | null = null;
  const follow = () => {
    inner?.close();
    state.set(emptyFeed(query));
    const space = current.get();
    inner = space && openFeed(space, query, state);
  };
  follow();
  const leave = current.subscribe(follow);
  return {
    state,
    change(wanted) {
      query = wanted;
      if (inner) inner.change(wanted);
      else state.set(emptyFeed(wanted));
    },
    more: async () => await inner?.more(),
    refresh: async () => await inner?.refresh(),
    close() {
      leave();
      inner?.close();
    },
  };
}
