// One generation with all that is known of it, and all that can be done with it.

import { useEffect, useState } from "react";
import type { GenerationModel } from "../../../../shared/client/mod.ts";
import { useService } from "../../../../shared/client/react/mod.ts";
import { Logs } from "../logs.tsx";
import { useAct } from "../parts/act.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { useNow } from "../parts/now.ts";
import { useNotice } from "../parts/notice.tsx";
import { credits, failureOf, isRunning, progressOf, when } from "../words.ts";
import { Bar } from "./bar.tsx";
import type { Entry } from "./entries.ts";
import { Picture } from "./picture.tsx";

export function Detail({ entry: { record, place }, models, onClose }: {
  entry: Entry;
  models: readonly GenerationModel[];
  onClose: () => void;
}) {
  const service = useService();
  const { tell } = useNotice();
  const [hasLogs, setLogs] = useState(false);
  const { job, key } = record;
  const image = place === null ? null : record.images[place]!;
  const model = models.find(({ id }) => id === (job?.modelId ?? record.request?.modelId));
  const prompt = usePrompt(record);
  const failure = failureOf(record);
  const isLive = isRunning(record);
  const progress = progressOf(record, model, useNow(isLive));

  const favorite = useAct(() => service.setFavorite(image!.id, !image!.favorite));
  const remove = useAct(async () => {
    await service.deleteImages([image!.id]);
    tell("Deleted.");
    onClose();
  });
  const again = useAct(async () => {
    await (job ? service.retry(job.id) : service.resend(key));
    tell("Asked for once more.");
    onClose();
  });
  const reuse = useAct(async () => {
    await service.drafts.fromJob(job!.id);
    tell("Its words are in the form.");
    onClose();
  });
  const cancel = useAct(async () => {
    const { outcome } = await service.cancel(job!.id);
    tell(outcome === "too_late" ? "It is made already, and comes." : "Canceled.");
  });
  const discard = useAct(async () => {
    await service.discard(key);
    onClose();
  });

  return (
    <Dialog title={model?.label ?? "Generation"} onClose={onClose}>
      {image && <Picture key={image.id} image={image} alt={prompt ?? "The picture"} isWhole />}
      {isLive && (
        <div className="stack" role="status">
          <p>{progress.text}</p>
          <Bar done={progress.done} label="Progress" />
        </div>
      )}
      {failure && (
        <p className="failure">
          <strong>{failure.title}</strong> {failure.detail}
        </p>
      )}
      {prompt && <p className="prompt">{prompt}</p>}
      <div className="row">
        {image && (
          <button
            type="button"
            aria-pressed={image.favorite}
            disabled={favorite.isBusy}
            onClick={favorite.act}
          >
            <Icon name="heart" isFilled={image.favorite} /> Favorite
          </button>
        )}
        {job && !isLive && (
          <button type="button" disabled={reuse.isBusy} onClick={reuse.act}>
            <Icon name="pencil" /> Use again
          </button>
        )}
        {!isLive && (
          <button type="button" disabled={again.isBusy} onClick={again.act}>
            <Icon name="retry" /> {image ? "Make another" : "Retry"}
          </button>
        )}
        {isLive && job && <button type="button" disabled={cancel.isBusy} onClick={cancel.act}>Cancel</button>}
        {!job && <button type="button" disabled={discard.isBusy} onClick={discard.act}>Discard</button>}
        {job && (
          <button type="button" aria-expanded={hasLogs} onClick={() => setLogs(!hasLogs)}>
            <Icon name="list" /> Logs
          </button>
        )}
        {image && (
          <button type="button" className="danger" disabled={remove.isBusy} onClick={remove.act}>
            <Icon name="trash" /> Delete
          </button>
        )}
      </div>
      {hasLogs && job && <Logs jobId={job.id} seq={job.seq} />}
      <dl className="facts">
        <Fact name="Asked" value={when(record.createdAt)} />
        {job && <Fact name="Shape" value={job.aspectRatio} />}
        {image && <Fact name="Size" value={`${image.width} × ${image.height}`} />}
        {job?.creditsCaptured != null && <Fact name="Charged" value={credits(job.creditsCaptured)} />}
        {job && <Fact name="Trace id" value={job.traceId} />}
      </dl>
    </Dialog>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** The words: known on the device that asked, read on any other. */
function usePrompt({ job, request }: Entry["record"]): string | null {
  const service = useService();
  const [read, setRead] = useState<string | null>(null);
  const jobId = job?.id ?? null;
  const known = request?.prompt ?? null;
  useEffect(() => {
    if (known !== null || jobId === null) return;
    const leaving = new AbortController();
    // Without a network the picture is shown without its words.
    service.prompt(jobId, { signal: leaving.signal }).then(setRead, () => {});
    return () => leaving.abort();
  }, [service, jobId, known]);
  return known ?? read;
}
