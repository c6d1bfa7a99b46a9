// The backend as its contract describes it, small and in memory: numbered changes of one user, a message for each, and
// reads that may lag behind the messages.

import { clientError, type GenerationError } from "../../shared/client/error.ts";
import type { Backend, KeyedJob } from "../../shared/client/backend.ts";
import type {
  ChangeMessage,
  GenerationImage,
  GenerationJob,
  GenerationStatus,
} from "../../shared/contract/mod.ts";
import { hasEnded } from "../../shared/contract/mod.ts";

export interface Model {
  /** As the rows are now. */
  jobs: Map<string, KeyedJob>;
  images: Map<string, GenerationImage>;
  seq(): number;
  start(key: string): KeyedJob;
  /** Moves the job towards an end; no-op once it has ended. */
  progress(jobId: string, to: GenerationStatus): void;
  deleteImage(imageId: string): void;
  /** What a reader who sees changes up to `seq` is answered. */
  reader(
    seq: () => number,
  ): Pick<Backend, "account" | "changesAfter" | "live" | "jobs" | "imagesOf" | "queue">;
}

let made = 0;
function newId(): string {
  return `00000000-0000-4000-8000-${String(++made).padStart(12, "0")}`;
}

const startMs = Date.UTC(2026, 0, 1);

export function createModel(push: (message: ChangeMessage) => void): Model {
  const jobs = new Map<string, KeyedJob>();
  const images = new Map<string, GenerationImage>();
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

  const at = () => new Date(startMs + seq * 1000).toISOString();
  const byId = (jobId: string) => [...jobs.values()].find(({ job }) => job.id === jobId);

  return {
    jobs,
    images,
    seq: () => seq,
    start(key) {
      const known = jobs.get(key);
      if (known) return known;
      const job: GenerationJob = {
        id: newId(),
        status: "queued",
        modelId: "flux-schnell",
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
        queue: () => Promise.resolve({ position: 0, exact: true, etaSeconds: 5, hold: null }),
      };
    },
  };

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
