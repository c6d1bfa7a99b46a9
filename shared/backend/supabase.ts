// The ports that a Supabase client with the secret key fulfils: the kernel's calls and object storage.

import type { SupabaseClient } from "@supabase/supabase-js";
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

class StoreError extends Error {
  override readonly name = "StoreError";
}

export function storeOf(client: SupabaseClient): Store {
  return {
    async upload(bucket, path, bytes, contentType) {
      const { error } = await client.storage.from(bucket).upload(path, bytes, { contentType, upsert: false });
      if (error === null) return "stored";
      if (isStatus(error, 409)) return "taken";
      throw new StoreError(`upload to ${bucket} failed`);
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

/** The real status stands in the body: Storage answers nearly everything with HTTP 400. */
function isStatus(error: Error, status: number): boolean {
  return "statusCode" in error && String(error.statusCode) === String(status);
}
