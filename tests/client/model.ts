// The backend as its contract describes it, small and in memory: numbered changes of one user, a message for each, and
// reads that may lag behind the messages.

import { clientError, type GenerationError } from "../../shared/client/error.ts";
import type { Backend, KeyedJob } from "../../shared/client/backend.ts";
import type {
  ChangeMessage,
  GenerationImage,
  GenerationJob,
  GenerationStatus,
  SearchItem,
  SearchRequest,
} from "../../shared/contract/mod.ts";
import { hasEnded, searchWords } from "../../shared/contract/mod.ts";

export interface Model {
  /** As the rows are now. */
  jobs: Map<string, KeyedJob>;
  images: Map<string, GenerationImage>;
  seq(): number;
  start(key: string, asked?: { modelId?: string; prompt?: string }): KeyedJob;
  /** Moves the job towards an end; no-op once it has ended. */
  progress(jobId: string, to: GenerationStatus): void;
  deleteImage(imageId: string): void;
  setFavorite(imageId: string, favorite: boolean): void;
  /** What a search finds that looks at everything, in its order. */
  found(request: SearchRequest): SearchItem[];
  /** What a reader who sees changes up to `seq` is answered. */
  reader(
    seq: () => number,
  ): Pick<Backend, "account" | "changesAfter" | "live" | "jobs" | "imagesOf" | "queue" | "search">;
}

let made = 0;
function newId(): string {
  return `00000000-0000-4000-8000-${String(++made).padStart(12, "0")}`;
}

/** A search's own limit, where 2,000 would never be reached. */
const looksAt = 3;

function byAge(
  { sort }: SearchRequest,
  a: { createdAt: string; id: string },
  b: { createdAt: string; id: string },
): number {
  const older = a.createdAt < b.createdAt || a.createdAt === b.createdAt && a.id < b.id;
  return a.id === b.id ? 0 : (sort === "oldest") === older ? -1 : 1;
}

export function createModel(push: (message: ChangeMessage) => void): Model {
  const jobs = new Map<string, KeyedJob>();
  const images = new Map<string, GenerationImage>();
  const prompts = new Map<string, string>();
  /** Every state that a row has had, oldest first. */
  const history: { seq: number; job?: KeyedJob; image?: GenerationImage }[] = [];
  let seq = 0;

  function change(changed: { job?: KeyedJob; images?: GenerationImage[] }): void {
    seq++;
    const told: GenerationImage[] = [];
    if (changed.job) {
      const job = { ...changed.job, job: { ...changed.job.job, seq, updatedAt: at() } };
      jobs.set(job.key, job);
      history.push({ seq, job });
    }
    for (const image of changed.images ?? []) {
      const numbered = { ...image, seq };
      images.set(image.id, numbered);
      history.push({ seq, image: numbered });
      told.push(numbered);
    }
    push({
      seq,
      jobs: changed.job ? [jobs.get(changed.job.key)!.job] : [],
      images: told,
      account: { balance: 100 - jobs.size, seq },
    });
  }

  /** Postgres's words, without zeros at the end; some share their microsecond. */
  const at = () => `2026-01-01T00:00:00.${String(100000 + Math.floor(seq / 2) * 5).replace(/0+$/, "")}+00:00`;
  const byId = (jobId: string) => [...jobs.values()].find(({ job }) => job.id === jobId);

  return {
    jobs,
    images,
    seq: () => seq,
    start(key, { modelId = "flux-schnell", prompt = "" } = {}) {
      const known = jobs.get(key);
      if (known) return known;
      const job: GenerationJob = {
        id: newId(),
        status: "queued",
        modelId,
        aspectRatio: "1:1",
        numImages: 1,
        seed: null,
        attempts: 0,
        errorCode: null,
        retryable: false,
        creditsHeld: 1,
        creditsCaptured: null,
        retryOf: null,
        traceId: "trace",
        seq,
        createdAt: at(),
        updatedAt: at(),
        submittingAt: null,
        processingAt: null,
        persistingAt: null,
        endedAt: null,
      };
      prompts.set(job.id, prompt);
      change({ job: { key, job } });
      return jobs.get(key)!;
    },
    progress(jobId, to) {
      const known = byId(jobId);
      if (!known || hasEnded(known.job)) return;
      const job = {
        ...known.job,
        status: to,
        endedAt: hasEnded({ status: to }) ? at() : null,
        errorCode: to === "failed" ? "provider_failed" : null,
      };
      const picture = to === "completed" ? [pictureOf(job)] : [];
      change({ job: { key: known.key, job }, images: picture });
    },
    deleteImage(imageId) {
      const image = images.get(imageId);
      if (image && image.deletedAt === null) change({ images: [{ ...image, deletedAt: at() }] });
    },
    setFavorite(imageId, favorite) {
      const image = images.get(imageId);
      if (image && image.deletedAt === null) change({ images: [{ ...image, favorite }] });
    },
    found: (request) => search([...jobs.values()], [...images.values()], request),
    reader(upTo) {
      /** The newest state of each row that may be seen. */
      const seen = <Row>(take: (entry: typeof history[number]) => [string, Row] | null): Row[] => {
        const rows = new Map<string, Row>();
        for (const entry of history) {
          const row = entry.seq <= upTo() ? take(entry) : null;
          if (row) rows.set(...row);
        }
        return [...rows.values()];
      };
      const seenJobs = () => seen(({ job }) => job ? [job.key, job] : null);
      const seenImages = () => seen(({ image }) => image ? [image.id, image] : null);
      return {
        account: () =>
          Promise.resolve({
            balance: 100 - seenJobs().length,
            seq: upTo(),
            running: 0,
            runningCap: 3,
            pending: 0,
            pendingCap: 100,
          }),
        changesAfter(after, most) {
          const rows = {
            jobs: seenJobs().filter(({ job }) => job.seq > after),
            images: seenImages().filter((image) => image.seq > after),
          };
          return Promise.resolve(rows.jobs.length + rows.images.length > most ? null : rows);
        },
        live() {
          const live = seenJobs().filter(({ job }) => !hasEnded(job));
          const ids = new Set(live.map(({ job }) => job.id));
          return Promise.resolve({ jobs: live, images: seenImages().filter(({ jobId }) => ids.has(jobId)) });
        },
        jobs: (by, values) =>
          Promise.resolve(
            seenJobs().filter(({ key, job }) => values.includes(by === "id" ? job.id : key)),
          ),
        imagesOf: (ids) => Promise.resolve(seenImages().filter(({ jobId }) => ids.includes(jobId))),
        search({ after, limit = 50, ...request }) {
          const all = seenJobs().map(({ job }) => job).sort((a, b) => byAge(request, a, b));
          const left = after ? all.filter((job) => byAge(request, job, after) > 0) : all;
          // Looks at few at a time: a page may be short, or empty, and not be the last.
          const looked = left.slice(0, looksAt);
          const items = search(seenJobs(), seenImages(), request)
            .filter(({ job }) => looked.some(({ id }) => id === job.id)).slice(0, limit);
          const last = items.length === limit ? items.at(-1)!.job : looked.at(-1);
          const isEnd = items.length < limit && looked.length === left.length;
          return Promise.resolve({
            items,
            next: isEnd || !last ? null : { createdAt: last.createdAt, id: last.id },
            seq: upTo(),
          });
        },
        queue: () => Promise.resolve({ position: 0, exact: true, etaSeconds: 5, hold: null }),
      };
    },
  };

  function search(
    among: KeyedJob[],
    pictures: GenerationImage[],
    { words = "", modelIds, statuses, favorite, ...request }: SearchRequest,
  ): SearchItem[] {
    return among.map(({ job }) => ({
      job,
      images: pictures.filter(({ jobId, deletedAt }) => jobId === job.id && deletedAt === null),
    })).filter((item) =>
      (item.job.status !== "completed" || item.images.length > 0) &&
      (!modelIds || modelIds.includes(item.job.modelId)) &&
      (!statuses || statuses.includes(item.job.status)) &&
      (favorite === undefined || item.images.some((image) => image.favorite === favorite)) &&
      searchWords(words).every((word) => prompts.get(item.job.id)!.includes(word))
    ).sort((a, b) => byAge(request, a.job, b.job));
  }

  function pictureOf(job: GenerationJob): GenerationImage {
    return {
      id: newId(),
      jobId: job.id,
      index: 0,
      path: `user/${job.id}/0-00000000`,
      thumbPath: null,
      width: 8,
      height: 8,
      bytes: 64,
      sha256: "0".repeat(64),
      contentType: "image/png",
      thumbhash: null,
      flagged: false,
      favorite: false,
      createdAt: at(),
      deletedAt: null,
      seq,
    };
  }
}

/** As a network fails. */
export function lost(): GenerationError {
  return clientError("offline");
}
