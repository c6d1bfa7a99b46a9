// What the user has: everything that was asked for, running or done, in one grid.

import { useState } from "react";
import type { FeedQuery } from "../../../../shared/client/mod.ts";
import { useFeed, useModels } from "../../../../shared/client/react/mod.ts";
import { Detail } from "./detail.tsx";
import { Filters } from "./filters.tsx";
import { Grid } from "./grid.tsx";
import { entriesOf, type Entry } from "./entries.ts";

export function Profile() {
  const models = useModels();
  const [query, setQuery] = useState<FeedQuery>({});
  const [openId, setOpenId] = useState<string | null>(null);
  const { items, phase, hasMore, error, more, refresh } = useFeed(query);
  const entries = entriesOf(items);
  const open = entries.find(({ id }) => id === openId) ?? null;
  const isFiltered = Object.values(query).some((value) => value !== undefined && value !== "newest");
  return (
    <section className="profile" aria-label="Profile" aria-busy={phase === "loading"}>
      <Filters query={query} models={models ?? []} onChange={setQuery} />
      {entries.length > 0
        ? (
          <Grid
            entries={entries}
            models={models ?? []}
            onOpen={(entry: Entry) => setOpenId(entry.id)}
            onEnd={() => {
              if (hasMore && phase === "ready") void more();
            }}
          />
        )
        : phase === "ready" && (
          <p className="empty">
            {isFiltered ? "Nothing here matches." : "Your pictures will be here. Ask for the first one."}
          </p>
        )}
      {phase === "failed" && (
        <p className="empty" role="alert">
          {error?.title} <button type="button" onClick={() => void refresh()}>Try again</button>
        </p>
      )}
      {(phase === "loading" || phase === "more") && <p className="loading" role="status">Loading…</p>}
      {open && <Detail entry={open} models={models ?? []} onClose={() => setOpenId(null)} />}
    </section>
  );
}
