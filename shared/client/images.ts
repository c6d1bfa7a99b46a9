// Addresses of stored pictures: signed by Storage for an hour, many at a time, and kept until shortly before their end.

import type { GenerationImage } from "../contract/mod.ts";
import type { Clock } from "./clock.ts";
import { clientError, GenerationError } from "./error.ts";
import type { Session } from "./session.ts";
import { throwIfAborted } from "./signal.ts";

export interface Images {
  /**
   * A signed URL of a picture's `path` or `thumbPath`, good for five minutes at least. The picture behind it never
   * changes while the URL does: cache by the path. Rejects with `picture_gone` where there is none to be read.
   */
  url(path: string, options?: { signal?: AbortSignal }): Promise<string>;
}

/** Under which a picture is cached, however its URL changes. */
export function cacheKey({ path }: Pick<GenerationImage, "path">): string {
  return path;
}

const bucket = "generations";
const signedSeconds = 3600;
/** Shown for a while yet. */
const leftMs = 5 * 60_000;
/** A screen asks for all of its pictures in one go. */
const gatherMs = 10;
const maxPaths = 100;
const maxKept = 2000;

/** What is needed of a supabase-js client. */
interface Signing {
  storage: {
    from(bucket: string): {
      createSignedUrls(paths: string[], seconds: number): PromiseLike<{
        data: { path: string | null; signedUrl: string | null; error: string | null }[] | null;
        error: Error | null;
      }>;
    };
  };
}

interface Kept {
  url: Promise<string>;
  untilMs: number;
}

interface Asked {
  path: string;
  resolve: (url: string) => void;
  reject: (error: unknown) => void;
}

export function createImages({ supabase, session, clock }: {
  supabase: Signing;
  session: Session;
  clock: Clock;
}): Images {
  /** The last asked for last. */
  const kept = new Map<string, Kept>();
  let asked: Asked[] = [];

  async function sign(all: Asked[]): Promise<void> {
    try {
      await session.ensure();
      const paths = all.map(({ path }) => path);
      const { data, error } = await supabase.storage.from(bucket).createSignedUrls(paths, signedSeconds);
      if (error) throw clientError(isAnswer(error) ? "unexpected_answer" : "offline", { cause: error });
      const urls = new Map(data?.map(({ path, signedUrl, error }) => [path, error ? null : signedUrl]));
      for (const { path, resolve, reject } of all) {
        const url = urls.get(path);
        if (url) resolve(url);
        else reject(clientError("picture_gone"));
      }
    } catch (error) {
      const told = error instanceof GenerationError ? error : clientError("offline", { cause: error });
      for (const { reject } of all) reject(told);
    }
  }

  function ask(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      asked.push({ path, resolve, reject });
      if (asked.length === 1) {
        clock.after(gatherMs, () => {
          const all = asked;
          asked = [];
          for (let from = 0; from < all.length; from += maxPaths) void sign(all.slice(from, from + maxPaths));
        });
      }
    });
  }

  function find(path: string): Promise<string> {
    const known = kept.get(path);
    kept.delete(path);
    const isGood = known !== undefined && clock.now() < known.untilMs;
    const one = isGood ? known : { url: ask(path), untilMs: clock.now() + signedSeconds * 1000 - leftMs };
    kept.set(path, one);
    // What went wrong is asked again by whoever wants it next.
    if (!isGood) one.url.catch(() => void (kept.get(path) === one && kept.delete(path)));
    for (const oldest of kept.keys()) {
      if (kept.size <= maxKept) break;
      kept.delete(oldest);
    }
    return one.url;
  }

  return {
    async url(path, { signal } = {}) {
      throwIfAborted(signal);
      const url = await find(path);
      throwIfAborted(signal);
      return url;
    },
  };
}

/** Storage has answered, and not well; the network's errors have no status. */
function isAnswer(error: Error): boolean {
  return "status" in error && typeof error.status === "number" && error.status < 500;
}
