// One square of the grid: a picture, one on its way, or one that did not come.

import { memo, useState } from "react";
import type { GenerationModel } from "../../../../shared/client/mod.ts";
import { useGeneration, useService } from "../../../../shared/client/react/mod.ts";
import { useAct } from "../parts/act.ts";
import { Icon } from "../parts/icon.tsx";
import { useNow } from "../parts/now.ts";
import { failureOf, isRunning, progressOf } from "../words.ts";
import type { Entry } from "./entries.ts";
import { Picture } from "./picture.tsx";
import { Bar } from "./bar.tsx";

interface TileProps {
  entry: Entry;
  models: readonly GenerationModel[];
  onOpen: () => void;
}

/** The same records are the same tile: a list that is read anew draws what has changed. */
export const Tile = memo(
  ShownTile,
  (before, after) =>
    before.entry.record === after.entry.record && before.entry.place === after.entry.place &&
    before.models === after.models,
);

function ShownTile({ entry: { record, place }, models, onOpen }: TileProps) {
  // Who sees it end needs no notification.
  useGeneration(isRunning(record) ? record.key : null);
  const image = place === null ? null : record.images[place]!;
  const [isUncovered, setUncovered] = useState(false);
  const model = models.find(({ id }) => id === (record.job?.modelId ?? record.request?.modelId));
  const about = record.request?.prompt ?? `${model?.label ?? "Picture"}, ${record.job?.aspectRatio ?? ""}`;
  if (image) {
    const isCovered = image.flagged && !isUncovered;
    return (
      <button
        type="button"
        className={isCovered ? "tile is-covered" : "tile"}
        onClick={isCovered ? () => setUncovered(true) : onOpen}
      >
        <Picture image={image} alt={isCovered ? "Sensitive picture: tap to show it" : about} />
        {isCovered && <span className="cover" aria-hidden="true">Sensitive · tap to show</span>}
        {image.favorite && (
          <span className="corner">
            <Icon name="heart" isFilled />
            <span className="hidden-text">Favorite</span>
          </span>
        )}
      </button>
    );
  }
  return isRunning(record)
    ? <RunningTile record={record} model={model} about={about} onOpen={onOpen} />
    : <FailedTile record={record} about={about} onOpen={onOpen} />;
}

function RunningTile({ record, model, about, onOpen }: {
  record: Entry["record"];
  model: GenerationModel | undefined;
  about: string;
  onOpen: () => void;
}) {
  const service = useService();
  const { text, done } = progressOf(record, model, useNow(true));
  const { job, key } = record;
  const cancel = useAct(() => job ? service.cancel(job.id) : service.discard(key));
  return (
    <div className="tile is-running">
      <button type="button" className="tile-about" onClick={onOpen}>{about}</button>
      <p className="tile-state" role="status">{text}</p>
      <Bar done={done} label={about} />
      {record.phase !== "sending" && (
        <button type="button" disabled={cancel.isBusy} onClick={cancel.act}>Cancel</button>
      )}
    </div>
  );
}

function FailedTile(
  { record, about, onOpen }: { record: Entry["record"]; about: string; onOpen: () => void },
) {
  const service = useService();
  const { job, key, phase } = record;
  const failure = failureOf(record);
  const retry = useAct(() => job ? service.retry(job.id) : service.resend(key));
  const canRetry = phase === "refused" || job?.status === "canceled" || job?.retryable === true;
  return (
    <div className="tile is-failed">
      <button type="button" className="tile-about" onClick={onOpen}>{about}</button>
      <p className="tile-state">{failure?.title ?? "Its pictures are deleted."}</p>
      {canRetry && (
        <button type="button" disabled={retry.isBusy} onClick={retry.act}>
          <Icon name="retry" /> Retry
        </button>
      )}
    </div>
  );
}
