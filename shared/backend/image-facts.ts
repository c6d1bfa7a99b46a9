// What a picture's bytes say of themselves: type by magic bytes, size by header, wholeness by the format's end mark.
// Nothing is decoded: a function has two seconds of CPU.

import { imageSize } from "image-size";

export interface ImageFacts {
  contentType: "image/jpeg" | "image/png" | "image/webp";
  width: number;
  height: number;
}

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
    begins: (bytes) => has(bytes, 0, [0x52, 0x49, 0x46, 0x46]) && has(bytes, 8, [0x57, 0x45, 0x42, 0x50]),
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

/** Null unless the bytes are a whole JPEG, PNG or WebP. */
export function readImage(bytes: Uint8Array): ImageFacts | null {
  const format = formats.find(({ begins }) => begins(bytes));
  if (format === undefined || !format.ends(bytes)) return null;
  try {
    const { width, height, orientation } = imageSize(bytes);
    if (!(width > 0 && height > 0)) return null;
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
