// What a picture's bytes say of themselves as they pass: type by magic bytes and size by header, from the first of
// them; wholeness by the format's end mark, from the last. Nothing is decoded: a function has two seconds of CPU.

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

/** What the first bytes tell: a picture with its EXIF orientation, none, or that it takes the first so many bytes to tell. */
export type Head =
  | { kind: "image"; facts: ImageFacts; orientation: number; tail: Tail }
  | { kind: "none" }
  | { kind: "needs"; bytes: number };

/** Watches all bytes pass, those of the head too, each once and in order. */
export interface Tail {
  push(chunk: Uint8Array): void;
  /** Whether a picture that ends with what was pushed is whole. */
  isWhole(): boolean;
}

interface Format {
  contentType: ImageFacts["contentType"];
  begins(bytes: Uint8Array): boolean;
  tail(head: Uint8Array): Tail;
}

/** The headers of PNG and WebP are shorter. */
const minHeadBytes = 64;

const formats: readonly Format[] = [
  {
    contentType: "image/jpeg",
    begins: (bytes) => has(bytes, 0, [0xff, 0xd8, 0xff]),
    tail: jpegTail,
  },
  {
    contentType: "image/png",
    begins: (bytes) => has(bytes, 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    tail: pngTail,
  },
  {
    contentType: "image/webp",
    // "RIFF", then after the length "WEBPVP8".
    begins: (bytes) =>
      has(bytes, 0, [0x52, 0x49, 0x46, 0x46]) && has(bytes, 8, [0x57, 0x45, 0x42, 0x50, 0x56, 0x50, 0x38]),
    tail: webpTail,
  },
];

function jpegTail(): Tail {
  let last = 0;
  let isEnd = false;
  return {
    push(chunk) {
      if (chunk.byteLength === 0) return;
      // Some encoders pad after the end mark.
      const text = trimZeros(chunk);
      if (text.byteLength > 0) {
        const before = text.byteLength > 1 ? text.at(-2) : last;
        isEnd = before === 0xff && text.at(-1) === 0xd9;
      }
      last = chunk.at(-1) ?? 0;
    },
    isWhole: () => isEnd,
  };
}

/** The empty IEND chunk with its checksum. */
const pngEnd = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];

function pngTail(): Tail {
  let last = new Uint8Array();
  return {
    push(chunk) {
      last = chunk.byteLength >= pngEnd.length
        ? chunk.slice(-pngEnd.length)
        : new Uint8Array([...last, ...chunk]).slice(-pngEnd.length);
    },
    isWhole: () => has(last, 0, pngEnd),
  };
}

function webpTail(head: Uint8Array): Tail {
  // RIFF states its length after the first eight bytes.
  const statedBytes = new DataView(head.buffer, head.byteOffset).getUint32(4, true) + 8;
  let bytes = 0;
  return {
    push(chunk) {
      bytes += chunk.byteLength;
    },
    isWhole: () => statedBytes <= bytes,
  };
}

function has(bytes: Uint8Array, at: number, expected: number[]): boolean {
  return expected.every((byte, i) => bytes[at + i] === byte);
}

function trimZeros(bytes: Uint8Array): Uint8Array {
  let end = bytes.byteLength;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

/**
 * A JPEG up to the header of its frame, which holds the size, or how many bytes it takes to go on. image-size copies
 * all that is left at each segment, and at each byte that is none, so a hostile file could burn the whole CPU limit:
 * it only gets what was walked before.
 */
function jpegHead(bytes: Uint8Array): Uint8Array | Exclude<Head, { kind: "image" }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 2;
  for (let segment = 0; segment < maxHeadSegments && offset < maxHeadBytes; segment++) {
    if (offset + 4 > bytes.byteLength) return { kind: "needs", bytes: offset + 4 };
    const marker = view.getUint16(offset);
    const end = offset + 2 + view.getUint16(offset + 2);
    if (frameMarkers.has(marker)) {
      return end > bytes.byteLength ? { kind: "needs", bytes: end } : bytes.subarray(0, end);
    }
    if (marker < 0xff00) break;
    offset = end;
  }
  return { kind: "none" };
}

/** Reads the first bytes, or all there are. Asks for no more than `maxHeadBytes` and two segments of 64 KiB. */
export function readHead(bytes: Uint8Array, isAll: boolean): Head {
  if (bytes.byteLength < minHeadBytes && !isAll) return { kind: "needs", bytes: minHeadBytes };
  const format = formats.find(({ begins }) => begins(bytes));
  if (format === undefined) return { kind: "none" };
  const { contentType, tail } = format;
  const head = contentType === "image/jpeg" ? jpegHead(bytes) : bytes.subarray(0, minHeadBytes);
  if (!(head instanceof Uint8Array)) return isAll ? { kind: "none" } : head;
  try {
    const { width, height, orientation } = imageSize(head);
    if (!(width > 0 && width <= maxSidePixels && height > 0 && height <= maxSidePixels)) {
      return { kind: "none" };
    }
    // Orientations 5 to 8 are shown turned by a quarter.
    const isTurned = orientation !== undefined && orientation >= 5;
    const facts = { contentType, width: isTurned ? height : width, height: isTurned ? width : height };
    return { kind: "image", facts, orientation: orientation ?? 1, tail: tail(bytes) };
  } catch {
    // A header that cannot be read is not a picture.
    return { kind: "none" };
  }
}
