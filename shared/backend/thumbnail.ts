// Draws one stored picture small and makes its placeholder, after its job is completed. The try was counted when it was
// claimed: decoding may end the process that does it, and then nothing else is lost.

import { readHead } from "./image-facts.ts";
import type { ThumbnailClaim, ThumbnailOutcome } from "./kernel.ts";
import { errorFields, type Line } from "./log.ts";
import { picturesBucket } from "./persist.ts";
import type { Backend, UploadBody } from "./ports.ts";

export const maxThumbnailSidePixels = 512;
/** A thumbnail is 20 to 200 KB; the download of its picture has its own deadline. */
const uploadDeadlineMs = 30_000;

/** A picture to draw. Its size was read from its header before. */
export interface Drawing {
  bytes: Uint8Array;
  /** EXIF's, 1 to 8; the thumbnail is upright. */
  orientation: number;
  maxSidePixels: number;
}

export interface Thumbnail {
  bytes: Uint8Array<ArrayBuffer>;
  contentType: "image/jpeg" | "image/webp";
  /** Base64. */
  thumbhash: string;
}

/** Throws on what it cannot decode. */
export type Draw = (drawing: Drawing) => Thumbnail;

/** Draws one picture that is due, if any; answers how many. One an invocation: it may take most of its CPU time. */
export function thumbnailDue(backend: Backend, draw: Draw): Promise<number> {
  return backend.log.step("thumbnails", {}, async (line) => {
    const { thumbnails } = await backend.kernel.claimThumbnails(backend.newId(), 1);
    line.add({ thumbnails: thumbnails.length });
    for (const claim of thumbnails) {
      const told = { trace_id: claim.traceId, job_id: claim.jobId, image_index: claim.index };
      await backend.log.step("thumbnail", told, (ofOne) => makeThumbnail(backend, claim, draw, ofOne));
    }
    return thumbnails.length;
  });
}

async function makeThumbnail(
  backend: Backend,
  claim: ThumbnailClaim,
  draw: Draw,
  line: Line,
): Promise<void> {
  const drawn = await drawPicture(backend, claim, draw, line);
  if ("failure" in drawn) {
    line.add({ outcome: "given_up", reason: drawn.failure });
    await backend.kernel.recordThumbnail(claim.imageId, drawn);
    return;
  }
  const { bytes, contentType, thumbhash } = drawn;
  // Taken: an earlier try was lost after its upload. It had drawn the same.
  const uploaded = await backend.store.upload(
    picturesBucket,
    claim.thumbPath,
    bodyOf(bytes, contentType),
    AbortSignal.timeout(uploadDeadlineMs),
  );
  const { recorded } = await backend.kernel.recordThumbnail(claim.imageId, { thumbhash });
  line.add({ outcome: recorded ? uploaded : "picture_gone", image_bytes: bytes.byteLength });
}

/** What is read here was checked when it was stored; the header is read again because decoding rests on it. */
async function drawPicture(
  { store }: Backend,
  { path, maxPixels }: ThumbnailClaim,
  draw: Draw,
  line: Line,
): Promise<Thumbnail | Extract<ThumbnailOutcome, { failure: string }>> {
  const picture = await store.download(picturesBucket, path);
  if (picture === null) return { failure: "picture_missing" };
  const bytes = new Uint8Array(await picture.arrayBuffer());
  const head = readHead(bytes, true);
  if (head.kind !== "image") return { failure: "not_an_image" };
  if (head.facts.width * head.facts.height > maxPixels) return { failure: "too_large" };
  try {
    return draw({ bytes, orientation: head.orientation, maxSidePixels: maxThumbnailSidePixels });
  } catch (error) {
    line.add(errorFields(error));
    return { failure: "undecodable" };
  }
}

function bodyOf(bytes: Uint8Array<ArrayBuffer>, contentType: string): UploadBody {
  return { stream: new Blob([bytes]).stream(), bytes: bytes.byteLength, contentType };
}
