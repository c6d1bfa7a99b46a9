// The ports that a Supabase client with the secret key fulfils: the kernel's calls and object storage.

import type { SupabaseClient } from "@supabase/supabase-js";
import * as z from "zod";
import { KernelError, type Rpc } from "./kernel.ts";
import type { Store } from "./ports.ts";

/** Longer than the database's own 8 s limit, so that its verdict arrives rather than our impatience. */
const rpcDeadlineMs = 10_000;
/** No answer at all, or one of the gateways in front: 520 to 524 are those of the network that hosted projects are behind. */
const lostStatuses: ReadonlySet<number> = new Set([0, 502, 503, 504, 520, 521, 522, 523, 524]);

export function rpcOf(client: SupabaseClient): Rpc {
  return async (name, args) => {
    const { data, error, status } = await client.rpc(name, args).abortSignal(
      AbortSignal.timeout(rpcDeadlineMs),
    );
    if (error === null) return data;
    throw new KernelError(name, error.code || `http_${status}`, lostStatuses.has(status));
  };
}

/** Names bucket and verb, never the object, and quotes nothing of what Storage said. */
class StoreError extends Error {
  override readonly name = "StoreError";
  /** `storage_413` by Storage's own word, `http_502` by a gateway's, `timeout`, `network`; empty where not known. */
  readonly code: string;
  constructor(message: string, code = "") {
    super(message);
    this.code = code;
  }
}

/** Storage's own words of success or failure, whichever came. */
const ObjectAnswer = z.object({
  Key: z.string().optional(),
  statusCode: z.coerce.string().regex(/^\d{3}$/).optional(),
});

export function storeOf(client: SupabaseClient): Store {
  return {
    async upload(bucket, path, { stream, bytes, contentType }, signal) {
      const length: Record<string, string> = bytes === null ? {} : { "content-length": String(bytes) };
      const what = `upload to ${bucket}`;
      const { ok, answer, code } = await askStorage(client, what, `object/${bucket}/${path}`, {
        method: "POST",
        body: stream,
        headers: {
          "content-type": contentType,
          "cache-control": "max-age=3600",
          "x-upsert": "false",
          ...length,
        },
        signal,
      });
      if (ok && answer.Key !== undefined) return "stored";
      if (!ok && answer.statusCode === "409") return "taken";
      throw new StoreError(`${what} failed`, code);
    },
    async download(bucket, path) {
      const { data, error } = await client.storage.from(bucket).download(path);
      if (error === null) return data;
      if (isStatus(error, 404)) return null;
      throw new StoreError(`download from ${bucket} failed`);
    },
    async sign(bucket, path, seconds) {
      const { data, error } = await client.storage.from(bucket).createSignedUrl(path, seconds);
      if (error === null) return data.signedUrl;
      if (isStatus(error, 404)) return null;
      throw new StoreError(`signing in ${bucket} failed`);
    },
    async remove(bucket, paths) {
      const { error } = await client.storage.from(bucket).remove(paths);
      if (error !== null) throw new StoreError(`removal from ${bucket} failed`);
    },
  };
}

/**
 * A call as supabase-js makes it, by its address, key and network, but with a signal: its own calls cannot be given up.
 * These three are protected in type only; the version is pinned, and tests send through here.
 */
async function askStorage(
  { storage }: SupabaseClient,
  what: string,
  path: string,
  init: RequestInit & { signal: AbortSignal },
): Promise<{ ok: boolean; answer: z.infer<typeof ObjectAnswer>; code: string }> {
  const address = `${storage["url"]}/${path.split("/").map(encodeURIComponent).join("/")}`;
  // Node needs `duplex` for a body that is a stream; TypeScript's own list of options does not have it.
  const options: RequestInit & { duplex: "half" } = {
    ...init,
    headers: { ...storage["headers"], ...init.headers },
    duplex: "half",
  };
  const lost = () => new StoreError(`${what} failed`, init.signal.aborted ? "timeout" : "network");
  const response = await storage["fetch"](address, options).catch(() => Promise.reject(lost()));
  const text = await response.text().catch(() => Promise.reject(lost()));
  const answer = ObjectAnswer.catch({}).parse(jsonOf(text));
  const code = response.ok
    ? ""
    : answer.statusCode
    ? `storage_${answer.statusCode}`
    : `http_${response.status}`;
  return { ok: response.ok, answer, code };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A gateway's page.
    return null;
  }
}

/** The real status stands in the body: Storage answers nearly everything with HTTP 400. */
function isStatus(error: Error, status: number): boolean {
  return "statusCode" in error && String(error.statusCode) === String(status);
}
