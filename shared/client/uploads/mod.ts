// Reference images, straight from the app to Storage: in one request up to 6 MiB, above that in pieces, of which a cut
// connection loses one at most.

import type { Clock } from "../clock.ts";
import { clientError, GenerationError, isPassing } from "../error.ts";
import type { Lifecycle } from "../lifecycle.ts";
import type { Session } from "../session.ts";
import { throwIfAborted } from "../signal.ts";
import { newUuid } from "../uuid.ts";
import { createAsk } from "./ask.ts";
import { createPlain } from "./plain.ts";
import { watchPresence } from "./presence.ts";
import { createResumable, pieceBytes } from "./resumable.ts";
import { type Bytes, defaultSend, type Send } from "./send.ts";
import type { Upload } from "./upload.ts";

export interface UploadOptions {
  /** `image/jpeg`, `image/png` or `image/webp`; a Blob's own type or the first bytes tell it otherwise. */
  contentType?: string;
  /** Bytes that have left so far, and all of them; fewer again where a cut lost some. */
  onProgress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
}

export type InputData = Blob | ArrayBuffer | Uint8Array;

/** What is needed of a supabase-js client. */
interface Addressed {
  storage: { from(bucket: string): { getPublicUrl(path: string): { data: { publicUrl: string } } } };
}

export interface UploadPorts {
  supabase: Addressed;
  /** Whose picture it is. */
  userId: string;
  session: Session;
  clock: Clock;
  /** From 0 to below 1. */
  random: () => number;
  lifecycle: Lifecycle;
  send?: Send;
}

const bucket = "generation-inputs";
/** The bucket's own limits. */
const maxBytes = 20 * 1024 * 1024;
const types: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/webp"]);
const baseDelayMs = 1000;
const maxDelayMs = 15_000;
/** In a row and without a byte more. */
const maxTries = 6;

/**
 * Answers the path for `inputPaths`. Rejects with a GenerationError: `unusable_input`, `offline`, `signed_out`; or with
 * the signal's reason.
 */
export async function uploadInput(
  { supabase, userId, random, send = defaultSend(), ...ports }: UploadPorts,
  data: InputData,
  { contentType, onProgress, signal }: UploadOptions = {},
): Promise<string> {
  const bytes = data instanceof Uint8Array ? new Uint8Array(data) : data;
  const total = "size" in bytes ? bytes.size : bytes.byteLength;
  const type = contentType ?? typeOf(bytes);
  if (!types.has(type) || total === 0 || total > maxBytes) throw clientError("unusable_input");
  const presence = watchPresence(ports.lifecycle, ports.clock);
  let furthest = 0;
  let tries = 0;
  const upload: Upload = {
    base: baseOf(supabase),
    bucket,
    name: `${userId}/${newUuid()}`,
    contentType: type,
    bytes,
    total,
    onProgress(sent) {
      if (sent > furthest) tries = 0;
      furthest = Math.max(furthest, sent);
      onProgress?.(sent, total);
    },
  };
  const create = total > pieceBytes ? createResumable : createPlain;
  const way = create(upload, createAsk({ ...ports, send }, signal));
  try {
    for (;;) {
      try {
        await way.advance();
        return upload.name;
      } catch (error) {
        throwIfAborted(signal);
        if (!(error instanceof GenerationError) || !isPassing(error) || ++tries === maxTries) throw error;
        await presence.pause(random() * Math.min(maxDelayMs, baseDelayMs * 2 ** tries), signal);
      }
    }
  } catch (error) {
    void way.end(createAsk({ ...ports, send })).catch(() => {});
    throw error;
  } finally {
    presence.leave();
  }
}

/** A supabase-js client tells Storage's address in the URLs of public objects alone. */
function baseOf({ storage }: Addressed): string {
  const { publicUrl } = storage.from(bucket).getPublicUrl("").data;
  return publicUrl.slice(0, publicUrl.indexOf("/object/"));
}

/** By the first bytes; a Blob's cannot be read on every platform. */
function typeOf(bytes: Bytes): string {
  if ("type" in bytes) return bytes.type;
  const first = String.fromCharCode(...new Uint8Array(bytes.slice(0, 12)));
  if (first.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (first.startsWith("\x89PNG")) return "image/png";
  return /^RIFF.{4}WEBP/s.test(first) ? "image/webp" : "";
}
