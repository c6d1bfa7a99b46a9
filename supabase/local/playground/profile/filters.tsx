// What of the profile is shown, and in which order.

import { useState } from "react";
import type { FeedQuery, GenerationModel } from "../../../../shared/client/mod.ts";
import { Icon } from "../parts/icon.tsx";

const states: Readonly<Record<string, NonNullable<FeedQuery["statuses"]>>> = {
  Done: ["completed"],
  Running: ["queued", "submitting", "unknown", "processing", "persisting"],
  Failed: ["failed"],
  Canceled: ["canceled"],
};

/** A copy without what is not asked for. */
function changed(query: FeedQuery, change: FeedQuery): FeedQuery {
  return Object.fromEntries(
    Object.entries({ ...query, ...change }).filter(([, value]) => value !== undefined),
  );
}

export function Filters({ query, models, onChange }: {
  query: FeedQuery;
  models: readonly GenerationModel[];
  onChange: (query: FeedQuery) => void;
}) {
  const [isOpen, setOpen] = useState(false);
  const ratios = [...new Set(models.flatMap(({ aspectRatios }) => aspectRatios))];
  const set = (change: FeedQuery) => onChange(changed(query, change));
  const state = Object.entries(states).find(([, each]) => each.join() === query.statuses?.join())?.[0] ?? "";
  return (
    <div className="filters" role="search">
      <label className="search">
        <Icon name="search" />
        <span className="hidden-text">Search your prompts</span>
        <input
          type="search"
          placeholder="Search your prompts"
          value={query.words ?? ""}
          onChange={({ target }) => set({ words: target.value === "" ? undefined : target.value })}
        />
      </label>
      <button
        type="button"
        className={query.favorite ? "icon-button is-on" : "icon-button"}
        aria-label="Favorites only"
        aria-pressed={query.favorite === true}
        onClick={() => set({ favorite: query.favorite ? undefined : true })}
      >
        <Icon name="heart" isFilled={query.favorite === true} />
      </button>
      <button
        type="button"
        className={isOpen ? "icon-button is-on" : "icon-button"}
        aria-label="More filters"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name="filter" />
      </button>
      {isOpen && (
        <div className="more-filters">
          <Choice
            label="State"
            value={state}
            options={Object.keys(states).map((name) => [name, name])}
            onChoose={(name) => set({ statuses: states[name] })}
          />
          <Choice
            label="Model"
            value={query.modelIds?.[0] ?? ""}
            options={models.map(({ id, label }) => [id, label])}
            onChoose={(id) => set({ modelIds: id === "" ? undefined : [id] })}
          />
          <Choice
            label="Shape"
            value={query.aspectRatios?.[0] ?? ""}
            options={ratios.map((ratio) => [ratio, ratio])}
            onChoose={(ratio) => set({ aspectRatios: ratio === "" ? undefined : [ratio] })}
          />
          <label className="field">
            <span className="field-name">Order</span>
            <select
              value={query.sort ?? "newest"}
              onChange={({ target }) => set({ sort: target.value === "oldest" ? "oldest" : undefined })}
            >
              <option value="newest">Newest first</option>
              <option value="oldest">Oldest first</option>
            </select>
          </label>
        </div>
      )}
    </div>
  );
}

function Choice({ label, value, options, onChoose }: {
  label: string;
  value: string;
  options: (readonly [value: string, label: string])[];
  onChoose: (value: string) => void;
}) {
  return (
    <label className="field">
      <span className="field-name">{label}</span>
      <select value={value} onChange={({ target }) => onChoose(target.value)}>
        <option value="">All</option>
        {options.map(([each, text]) => <option key={each} value={each}>{text}</option>)}
      </select>
    </label>
  );
}
