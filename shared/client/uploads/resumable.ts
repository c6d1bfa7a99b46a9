// TUS 1.0.0 as Supabase Storage speaks it: an upload is made, its pieces follow, and after a cut Storage says how far it
// has come. https://supabase.com/docs/guides/storage/uploads/resumable-uploads

import { clientError } from "../error.ts";
import type { Ask } from "./ask.ts";
import type { Incoming } from "./send.ts";
import type { Upload, Way } from "./upload.ts";

/** Storage takes no other size but for the last. */
export const pieceBytes = 6 * 1024 * 1024;
const version = { "tus-resumable": "1.0.0" };

export function createResumable(
  { base, bucket, name, contentType, bytes, total, onProgress }: Upload,
  ask: Ask,
): Way {
  /** Null until Storage has made it, and again once it has forgotten it. */
  let url: string | null = null;

  /** How far a new upload is: nowhere, or at its end where an earlier one's last answer was lost. */
  async function make(): Promise<number> {
    const metadata = { bucketName: bucket, objectName: name, contentType, cacheControl: "3600" };
    const answer = await ask({
      method: "POST",
      url: `${base}/upload/resumable`,
      headers: {
        ...version,
        "upload-length": `${total}`,
        "upload-metadata": Object.entries(metadata).map(([key, value]) => `${key} ${btoa(value)}`).join(","),
        "x-upsert": "false",
      },
    });
    if (answer.status === 409) return total;
    url = answer.header("location");
    if (url === null) throw clientError("unexpected_answer");
    return 0;
  }

  async function offset(): Promise<number> {
    if (url === null) return await make();
    const answer = await ask({ method: "HEAD", url, headers: version });
    return answer.status < 300 ? offsetOf(answer) : await make();
  }

  return {
    async advance() {
      for (let from = await offset(); from < total;) {
        const start = from;
        onProgress(start);
        const answer = await ask({
          method: "PATCH",
          url: url!,
          headers: {
            ...version,
            "content-type": "application/offset+octet-stream",
            "upload-offset": `${start}`,
          },
          body: bytes.slice(start, Math.min(total, start + pieceBytes)),
        }, (sent) => onProgress(start + sent));
        // Another offset, or forgotten: asked after a while where it stands.
        if (answer.status >= 300) throw clientError("offline");
        from = offsetOf(answer);
      }
    },
    async end(ask) {
      if (url !== null) await ask({ method: "DELETE", url, headers: version });
    },
  };
}

function offsetOf(answer: Incoming): number {
  const offset = Number(answer.header("upload-offset") ?? NaN);
  if (!Number.isSafeInteger(offset)) throw clientError("unexpected_answer");
  return offset;
}
