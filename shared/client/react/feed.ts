// The profile's feed, open while it is shown.

import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { canonicalJson } from "../../contract/mod.ts";
import { emptyFeed, type Feed, type FeedQuery, type FeedState } from "../feed/mod.ts";
import { useService } from "./provider.ts";

export interface UsedFeed extends FeedState {
  more(): Promise<void>;
  refresh(): Promise<void>;
}

const noSubscription = () => () => {};

/** Another query, by what it says, is another list; the same one may be made anew with each rendering. */
export function useFeed(query: FeedQuery = {}): UsedFeed {
  const service = useService();
  const words = canonicalJson(query);
  const latest = useRef(query);
  latest.current = query;
  const [feed, setFeed] = useState<Feed | null>(null);
  const [empty] = useState(() => emptyFeed(query));
  useEffect(() => {
    const opened = service.feed(latest.current);
    setFeed(opened);
    return () => opened.close();
  }, [service]);
  useEffect(() => feed?.change(latest.current), [feed, words]);
  const get = () => feed?.state.get() ?? empty;
  const state = useSyncExternalStore(feed?.state.subscribe ?? noSubscription, get, get);
  return {
    ...state,
    more: async () => await feed?.more(),
    refresh: async () => await feed?.refresh(),
  };
}
