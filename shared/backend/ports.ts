// What the backend needs from outside. Everything that waits, draws, stores or talks comes in through here.

import type { Wavespeed } from "../wavespeed/mod.ts";
import type { Kernel } from "./kernel.ts";
import type { Log } from "./log.ts";

/** What becomes an object. */
export interface UploadBody {
  /**
   * Read as Storage takes it; a chunk may be gone once the next one is asked for. Where it errors the upload fails, so
   * that no object is left.
   */
  stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Its length where that is known beforehand: an upload that ends before or after it fails. */
  bytes: number | null;
  contentType: string;
}

/** Object storage, with rights over every bucket. */
export interface Store {
  /**
   * `taken`: an object of that name is there already; it was not overwritten, and the body perhaps not read.
   * Rejects where Storage refuses or cannot be reached, when the body errors, and with the signal; an object may be
   * there even so, as after any answer that was lost.
   */
  upload(bucket: string, path: string, body: UploadBody, signal: AbortSignal): Promise<"stored" | "taken">;
  /** Null: there is no such object. */
  download(bucket: string, path: string): Promise<Blob | null>;
  /** A URL that reads the object without credentials for `seconds`. Null: there is no such object. */
  sign(bucket: string, path: string, seconds: number): Promise<string | null>;
  /** Names that are not there count as removed. */
  remove(bucket: string, paths: string[]): Promise<void>;
}

export interface BackendConfig {
  /** The provider's origin: what its outputs may come from over plain http, if it is a stand-in. */
  wavespeedBaseUrl: string;
  /** Where the provider calls back; null: results are found by polling alone. */
  webhookUrl: string | null;
  webhookSecrets: readonly string[];
  /** Keys the token in a callback's address. */
  callbackSecret: string;
  /** How reference images reach the provider: by signed URL, or by upload where ours cannot be reached from outside. */
  inputDelivery: "signed_url" | "upload";
}

export interface Backend {
  kernel: Kernel;
  provider: Wavespeed;
  store: Store;
  /** For the provider's outputs; the provider's client has its own. */
  fetch: typeof fetch;
  /** Milliseconds since the epoch. */
  now: () => number;
  newId: () => string;
  /**
   * Has so many stored pictures drawn small, elsewhere: decoding may end the process that does it. Nothing is waited
   * for and nothing comes back; what is lost on the way is the sweep's to find.
   */
  wakeThumbnails: (pictures: number) => void;
  log: Log;
  config: BackendConfig;
}
