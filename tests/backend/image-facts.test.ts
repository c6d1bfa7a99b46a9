// Pictures by their bytes: real ones made by an encoder, and what is none.

import { expect, test } from "vitest";
import { type ImageFacts, readHead } from "../../shared/backend/image-facts.ts";
import * as pictures from "./pictures.ts";

const { png, jpeg, webp } = pictures;
const size = { width: 6, height: 4 };
const all = [png, jpeg, pictures.progressiveJpeg, webp, pictures.losslessWebp, pictures.extendedWebp];

/** As a picture that arrives in these pieces is read: no more of its head than was asked for. Null: no whole picture. */
function readPieces(pieces: Uint8Array[]): ImageFacts | null {
  const bytes = pieces.length === 1 && pieces[0]
    ? pieces[0]
    : Uint8Array.from(pieces.flatMap((piece) => [...piece]));
  let head = readHead(bytes.subarray(0, 0), bytes.byteLength === 0);
  while (head.kind === "needs") head = readHead(bytes.subarray(0, head.bytes), head.bytes > bytes.byteLength);
  if (head.kind === "none") return null;
  for (const piece of pieces) head.tail.push(piece);
  return head.tail.isWhole() ? head.facts : null;
}

const readImage = (bytes: Uint8Array) => readPieces([bytes]);

test.each([
  ["a PNG", png, "image/png"],
  ["a JPEG", jpeg, "image/jpeg"],
  ["a progressive JPEG", pictures.progressiveJpeg, "image/jpeg"],
  ["a WebP", webp, "image/webp"],
  ["a lossless WebP", pictures.losslessWebp, "image/webp"],
  ["an extended WebP", pictures.extendedWebp, "image/webp"],
])("%s tells its type and its size", (_, bytes, contentType) => {
  expect(readImage(bytes)).toEqual({ contentType, ...size });
});

test("bytes are read where they lie, also in the middle of a larger buffer", () => {
  for (const bytes of [png, jpeg, webp]) {
    const larger = new Uint8Array(bytes.byteLength + 20).fill(7);
    larger.set(bytes, 9);
    expect(readImage(larger.subarray(9, 9 + bytes.byteLength))).toMatchObject(size);
  }
});

test.each([[1, size], [3, size], [5, { width: 4, height: 6 }], [6, { width: 4, height: 6 }], [8, {
  width: 4,
  height: 6,
}]])(
  "a JPEG of orientation %i has the size that is shown",
  async (orientation, shown) => {
    expect(readImage(await pictures.turnedJpeg(orientation))).toMatchObject(shown);
  },
);

test("no beginning of a picture passes for the whole", () => {
  for (const bytes of all) {
    for (let length = 0; length < bytes.byteLength; length++) {
      expect(readImage(bytes.subarray(0, length)), `${length} of ${bytes.byteLength} bytes`).toBeNull();
    }
  }
});

test("a picture is whole wherever it is cut in two, and byte by byte", () => {
  for (const bytes of all) {
    const whole = readImage(bytes);
    expect(whole).toMatchObject(size);
    for (let at = 0; at <= bytes.byteLength; at++) {
      expect(readPieces([bytes.subarray(0, at), bytes.subarray(at)]), `cut at ${at}`).toEqual(whole);
    }
    expect(readPieces(Array.from(bytes, (byte) => new Uint8Array([byte])))).toEqual(whole);
  }
});

test("a JPEG's end mark is one mark, whatever lies between the pieces that hold its bytes", () => {
  const [body, ff, d9, zero] = [
    jpeg.subarray(0, -2),
    new Uint8Array([0xff]),
    new Uint8Array([0xd9]),
    new Uint8Array(3),
  ];
  expect(readPieces([body, ff, d9, zero, zero])).toMatchObject(size);
  expect(readPieces([body, ff, new Uint8Array(), d9])).toMatchObject(size);
  expect(readPieces([body, ff, zero, d9])).toBeNull();
  expect(readPieces([body, new Uint8Array([0xff, 0]), d9])).toBeNull();
  expect(readPieces([body, ff, d9, d9])).toBeNull();
  expect(readPieces([body, ff, d9, zero, new Uint8Array([1])])).toBeNull();
});

test("no more of a picture's head is asked for than the walk may take", () => {
  const endless = new Uint8Array(80 * 0x10001);
  for (let at = 2; at < endless.byteLength; at += 0x10001) endless.set([0xff, 0xe2, 0xff, 0xff], at);
  endless.set([0xff, 0xd8]);
  let asked = 0;
  for (let head = readHead(endless.subarray(0, 0), false); head.kind === "needs";) {
    asked = head.bytes;
    head = readHead(endless.subarray(0, asked), false);
  }
  expect(asked).toBeGreaterThan(3.9 * 1024 * 1024);
  expect(asked).toBeLessThan(4 * 1024 * 1024 + 2 * 0x10001);
});

test("a JPEG may be padded with zeros after its end mark", () => {
  expect(readImage(new Uint8Array([...jpeg, 0, 0, 0]))).toMatchObject(size);
});

test.each([
  ["nothing", new Uint8Array()],
  ["a page", new TextEncoder().encode("<!doctype html><title>Not found</title>")],
  [
    "a vector graphic",
    new TextEncoder().encode('<svg width="6" height="4" xmlns="http://www.w3.org/2000/svg"/>'),
  ],
  ["a GIF", pictures.gif],
  [
    "a RIFF that is no WebP",
    new Uint8Array([...webp.subarray(0, 8), ...new TextEncoder().encode("WAVE"), ...webp.subarray(12)]),
  ],
  ["a graphic behind WebP's first words", riff('WEBP<svg width="6" height="4">')],
  ["a PNG without a header", new Uint8Array([...png.subarray(0, 8), ...png.subarray(-12)])],
  ["a JPEG without a frame", new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 2, 0xff, 0xd9])],
])("%s is no picture", (_, bytes) => {
  expect(readImage(bytes)).toBeNull();
});

test("a picture that claims a side of nothing, or more than an integer column takes, is none", () => {
  for (const width of [0, 0xffff_ffff]) {
    const claiming = new Uint8Array(png);
    new DataView(claiming.buffer).setUint32(16, width);
    expect(readImage(claiming)).toBeNull();
  }
});

test("a JPEG's frame header is found behind profiles of many segments", () => {
  const segment = [0xff, 0xe2, 0xff, 0xff, ...new Array<number>(0xffff - 2).fill(1)];
  const profile = Array.from({ length: 20 }, () => segment).flat();
  expect(readImage(new Uint8Array([...jpeg.subarray(0, 2), ...profile, ...jpeg.subarray(2)]))).toMatchObject(
    size,
  );
});

test("a JPEG of more segments than any encoder writes is given up", () => {
  const comments = (count: number) => Array.from({ length: count }, () => [0xff, 0xfe, 0, 2]).flat();
  const behind = (count: number) =>
    readImage(new Uint8Array([...jpeg.subarray(0, 2), ...comments(count), ...jpeg.subarray(2)]));
  expect(behind(300)).toMatchObject(size);
  expect(behind(400)).toBeNull();
});

// Cause: image-size copies the rest of the file at each byte that is no segment; a second of CPU kills an isolate.
test.each([
  ["zeros where segments belong", (bytes: Uint8Array) => bytes.fill(0)],
  ["the smallest segments without end", (bytes: Uint8Array) => {
    for (let i = 0; i < bytes.length; i += 4) bytes.set([0xff, 0xe0, 0, 2], i);
  }],
])("a JPEG of %s is given up at once", (_, fill) => {
  const bytes = new Uint8Array(8 * 1024 * 1024);
  fill(bytes);
  bytes.set([0xff, 0xd8, 0xff, 0xe0, 0, 2]);
  bytes.set([0xff, 0xd9], bytes.length - 2);
  const before = process.cpuUsage().user;
  expect(readImage(bytes)).toBeNull();
  const usedMs = (process.cpuUsage().user - before) / 1000;
  expect(usedMs).toBeLessThan(1000);
});

function riff(text: string): Uint8Array {
  const bytes = new Uint8Array([...new TextEncoder().encode(`RIFF____${text}`)]);
  new DataView(bytes.buffer).setUint32(4, bytes.byteLength - 8, true);
  return bytes;
}
