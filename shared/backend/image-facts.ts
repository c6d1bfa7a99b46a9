// What a picture's bytes say of themselves: type by magic bytes, size by header, wholeness by the format's end mark.
// Nothing is decoded: a function has two seconds of CPU.

import { imageSize } from "image-size";

export interface ImageFacts {
  contentType: "image/jpeg" | "image/png" | "image/webp";
  width: number;
  height: number;
}

/** JPEG's own limit, above WebP's; a PNG could claim more than an integer column takes. */
const maxSidePixels = 65_535;
/** Room for colour profiles and signed provenance, which come in segments of 64 KiB. */
const maxHeadBytes = 4 * 1024 * 1024;
const maxHeadSegments = 400;
/** Baseline, extended and progressive. */
const frameMarkers: ReadonlySet<number> = new Set([0xffc0, 0xffc1, 0xffc2]);

interface Format {
  contentType: ImageFacts["contentType"];
  begins(bytes: Uint8Array): boolean;
  ends(bytes: Uint8Array): boolean;
}

const formats: readonly Format[] = [
  {
    contentType: "image/jpeg",
    begins: (bytes) => has(bytes, 0, [0xff, 0xd8, 0xff]),
    // Some encoders pad after the end mark.
    ends: (bytes) => has(trimZeros(bytes), -2, [0xff, 0xd9]),
  },
  {
    contentType: "image/png",
    begins: (bytes) => has(bytes, 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    // The empty IEND chunk with its checksum.
    ends: (bytes) => has(bytes, -12, [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82]),
  },
  {
    contentType: "image/webp",
    // "RIFF", then after the length "WEBPVP8".
    begins: (bytes) =>
      has(bytes, 0, [0x52, 0x49, 0x46, 0x46]) && has(bytes, 8, [0x57, 0x45, 0x42, 0x50, 0x56, 0x50, 0x38]),
    // RIFF states its length after the first eight bytes.
    ends: (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true) + 8 <= bytes.byteLength,
  },
];

function has(bytes: Uint8Array, at: number, expected: number[]): boolean {
  const offset = at < 0 ? bytes.byteLength + at : at;
  return offset >= 0 && expected.every((byte, i) => bytes[offset + i] === byte);
}

function trimZeros(bytes: Uint8Array): Uint8Array {
  let end = bytes.byteLength;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

/**
 * A JPEG up to the header of its frame, which holds the size. image-size copies all that is left at each segment, and
 * at each byte that is none, so a hostile file could burn the whole CPU limit: it only gets what was walked before.
 */
function jpegHead(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 2;
  for (let segment = 0; segment < maxHeadSegments && offset < maxHeadBytes; segment++) {
    // Throws a RangeError at the end of the bytes.
    const marker = view.getUint16(offset);
    const end = offset + 2 + view.getUint16(offset + 2);
    if (frameMarkers.has(marker)) return bytes.subarray(0, end);
    if (marker < 0xff00) break;
    offset = end;
  }
  throw new RangeError("no frame header within bounds");
}

/** Null unless the bytes are a whole JPEG, PNG or WebP. */
export function readImage(bytes: Uint8Array): ImageFacts | null {
  const format = formats.find(({ begins }) => begins(bytes));
  if (format === undefined || !format.ends(bytes)) return null;
  try {
    const isJpeg = format.contentType === "image/jpeg";
    const { width, height, orientation } = imageSize(isJpeg ? jpegHead(bytes) : bytes);
    if (!(width > 0 && width <= maxSidePixels && height > 0 && height <= maxSidePixels)) return null;
    // Orientations 5 to 8 are shown turned by a quarter.
    const isTurned = orientation !== undefined && orientation >= 5;
    return {
      contentType: format.contentType,
      width: isTurned ? height : width,
      height: isTurned ? width : height,
    };
  } catch {
    // A header that cannot be read is not a picture.
    return null;
  }
}
