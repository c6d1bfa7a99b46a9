// A picture as it passes: what is given on at once, what is held back, and what it turns out to be.

import { createHash } from "node:crypto";
import { expect, test, vi } from "vitest";
import {
  type Chunk,
  maxOutputBytes,
  openPicture,
  type PictureStream,
} from "../../shared/backend/picture-stream.ts";
import * as pictures from "./pictures.ts";
import { streamed } from "./pictures.ts";

const { png, jpeg, webp } = pictures;
const facts = { contentType: "image/png", width: 6, height: 4 };

async function opened(response: Response): Promise<PictureStream> {
  const output = await openPicture(response);
  if (output.kind !== "image") throw new Error(`${output.kind}: ${output.reason}`);
  return output.picture;
}

/** All that a reader gets, and the error that it got in the end. */
async function readAll({ stream }: PictureStream): Promise<{ bytes: Chunk; error: unknown }> {
  const chunks: Chunk[] = [];
  let error: unknown = null;
  try {
    for await (const chunk of stream) chunks.push(chunk);
  } catch (caught) {
    error = caught;
  }
  return { bytes: new Uint8Array(await new Blob(chunks).arrayBuffer()), error };
}

/** Reads a picture to its end, also if it is none from the start. */
async function ended(response: Response) {
  const output = await openPicture(response);
  if (output.kind !== "image") return { bytes: new Uint8Array(), error: null, ending: output };
  return { ...await readAll(output.picture), ending: output.picture.ending() };
}

const wholeOf = (bytes: Chunk) => ({
  kind: "whole",
  bytes: bytes.byteLength,
  sha256: createHash("sha256").update(bytes).digest("hex"),
});
const cutAt = (bytes: Chunk, ...places: number[]) =>
  [0, ...places].map((at, i) => bytes.slice(at, places[i] ?? bytes.byteLength));
const lengthOf = (bytes: Chunk | number) => ({
  "content-length": String(typeof bytes === "number" ? bytes : bytes.byteLength),
});

test("a picture passes unchanged, cut wherever, and ends with its length and digest", async () => {
  for (const bytes of [png, jpeg, webp]) {
    for (let at = 0; at <= bytes.byteLength; at++) {
      const read = await ended(streamed(cutAt(bytes, at), lengthOf(bytes)));
      expect(read, `cut at ${at}`).toEqual({ bytes, error: null, ending: wholeOf(bytes) });
    }
    const byteByByte = Array.from(bytes, (byte) => new Uint8Array([byte]));
    expect(await ended(streamed(byteByByte))).toEqual({ bytes, error: null, ending: wholeOf(bytes) });
  }
});

test("the facts are told before the rest has come", async () => {
  let isRestAsked = false;
  const pieces = function* () {
    yield png.slice(0, 64);
    isRestAsked = true;
    yield png.slice(64);
  };
  const picture = await opened(streamed(pieces(), lengthOf(png)));
  expect(picture).toMatchObject({ facts, declaredBytes: png.byteLength });
  expect(picture.ending()).toBeNull();
  expect(isRestAsked).toBe(false);
});

test("a large head of small chunks passes unchanged", async () => {
  const comment = new Uint8Array(0x8000).fill(7);
  comment.set([0xff, 0xfe, 0x7f, 0xfe]);
  const bytes = new Uint8Array(
    await new Blob([jpeg.slice(0, 2), ...new Array<Chunk>(40).fill(comment), jpeg.slice(2)]).arrayBuffer(),
  );
  const pieces = Array.from(
    { length: Math.ceil(bytes.byteLength / 1000) },
    (_, i) => bytes.slice(1000 * i, 1000 * (i + 1)),
  );
  expect(await ended(streamed(pieces))).toEqual({ bytes, error: null, ending: wholeOf(bytes) });
});

test("a chunk is given on once the next one has come, and none is read before it is asked for", async () => {
  const pulled: number[] = [];
  const pieces = function* () {
    for (const [i, piece] of cutAt(png, 70, 80).entries()) {
      pulled.push(i);
      yield piece;
    }
  };
  const reader = (await opened(streamed(pieces()))).stream.getReader();
  expect(pulled).toEqual([0]);
  expect((await reader.read()).value).toEqual(png.slice(0, 70));
  expect(pulled).toEqual([0, 1]);
});

test.each<[string, () => Response, { kind: string; reason: string }]>([
  [
    "shorter than declared",
    () => streamed(cutAt(png, 70), lengthOf(png.byteLength + 1)),
    { kind: "unavailable", reason: "truncated" },
  ],
  [
    "longer than declared",
    () => streamed(cutAt(png, 70), lengthOf(png.byteLength - 1)),
    { kind: "unavailable", reason: "wrong_length" },
  ],
  [
    "without its end mark",
    () => streamed(cutAt(png.slice(0, -1), 70)),
    { kind: "unusable", reason: "not_a_whole_image" },
  ],
  [
    "without its end mark, of the declared length",
    () => streamed(cutAt(png.slice(0, -1), 70), lengthOf(png.byteLength - 1)),
    { kind: "unusable", reason: "not_a_whole_image" },
  ],
  [
    "broken off",
    () =>
      streamed((function* () {
        yield png.slice(0, 70);
        yield png.slice(70, 80);
        throw new Error("reset");
      })()),
    { kind: "unavailable", reason: "truncated" },
  ],
])("a picture %s errors, and its last bytes are never given on", async (_, response, ending) => {
  const read = await ended(response());
  expect(read.ending).toEqual(ending);
  expect(read.error).toBeInstanceOf(Error);
  expect(read.bytes.byteLength).toBeLessThan(png.byteLength - 1);
});

test("no beginning of a picture passes for the whole, declared or not", async () => {
  for (const bytes of [png, jpeg, webp]) {
    for (let length = 0; length < bytes.byteLength; length++) {
      const beginning = () => cutAt(bytes.slice(0, length), length >> 1);
      const undeclared = await ended(streamed(beginning()));
      expect(undeclared.ending, `${length} bytes`).toEqual({ kind: "unusable", reason: "not_a_whole_image" });
      const declared = await ended(streamed(beginning(), lengthOf(bytes)));
      expect(declared.ending, `${length} bytes`).toEqual({ kind: "unavailable", reason: "truncated" });
    }
  }
});

test("what is no picture is told at once, whatever its type was declared as", async () => {
  const cancel = vi.fn();
  const page = new ReadableStream<Chunk>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode("<html>".repeat(20))),
    cancel,
  }, { highWaterMark: 0 });
  expect(await openPicture(new Response(page, { headers: { "content-type": "image/png" } }))).toEqual({
    kind: "unusable",
    reason: "not_a_whole_image",
  });
  expect(cancel).toHaveBeenCalledOnce();
  expect(await openPicture(new Response(null))).toMatchObject({ reason: "not_a_whole_image" });
});

test("a body declared as too large is not read", async () => {
  const sent = vi.fn(() => png);
  const body = function* () {
    yield sent();
  };
  expect(await openPicture(streamed(body(), lengthOf(maxOutputBytes + 1)))).toEqual({
    kind: "unusable",
    reason: "too_large",
  });
  expect(sent).not.toHaveBeenCalled();
});

test("a body that declares nothing is left at the limit, and no further", async () => {
  const chunk = new Uint8Array(1024 * 1024);
  const cancel = vi.fn();
  let sent = 0;
  const endless = new ReadableStream<Chunk>({
    pull(controller) {
      const next = sent === 0 ? png.slice(0, -12) : chunk;
      sent += next.byteLength;
      controller.enqueue(next);
    },
    cancel,
  }, { highWaterMark: 0 });
  const picture = await opened(new Response(endless));
  let given = 0;
  const reading = async () => {
    for await (const { byteLength } of picture.stream) given += byteLength;
  };
  await expect(reading()).rejects.toThrow("too_large");
  expect(picture.ending()).toEqual({ kind: "unusable", reason: "too_large" });
  expect(cancel).toHaveBeenCalledOnce();
  expect(sent).toBeLessThanOrEqual(maxOutputBytes + chunk.byteLength);
  expect(given).toBeLessThanOrEqual(maxOutputBytes);
});

test("a body of more than it declared is left there", async () => {
  let sent = 0;
  const endless = function* () {
    yield png;
    for (;;) yield new Uint8Array(++sent);
  };
  const read = await ended(streamed(endless(), lengthOf(png)));
  expect(read.ending).toEqual({ kind: "unavailable", reason: "wrong_length" });
  expect(sent).toBe(1);
});

test("the length of an encoded body says nothing of the decoded one", async () => {
  const response = () => streamed([png], { "content-length": "9", "content-encoding": "gzip" });
  expect((await opened(response())).declaredBytes).toBeNull();
  expect((await ended(response())).ending).toEqual(wholeOf(png));
});

test("empty chunks are no part of a picture, for they would end a chunked upload", async () => {
  const nothing = new Uint8Array();
  const picture = await opened(
    streamed([nothing, png.slice(0, 70), nothing, nothing, png.slice(70), nothing]),
  );
  const lengths: number[] = [];
  for await (const chunk of picture.stream) lengths.push(chunk.byteLength);
  expect(lengths).toEqual([70, png.byteLength - 70]);
});

test.each<[string, (picture: PictureStream) => Promise<void>]>([
  ["closed", (picture) => picture.close()],
  ["cancelled by its reader", (picture) => picture.stream.cancel()],
])("a picture that is %s stops its download, and never ends", async (_, stop) => {
  const cancel = vi.fn();
  let pulls = 0;
  const body = new ReadableStream<Chunk>({
    pull: (controller) => controller.enqueue(++pulls === 1 ? png.slice(0, 70) : png.slice(70)),
    cancel,
  }, { highWaterMark: 0 });
  const picture = await opened(new Response(body));
  await stop(picture);
  expect(cancel).toHaveBeenCalledOnce();
  expect(picture.ending()).toBeNull();
  expect(pulls).toBe(1);
});

test("closing while a chunk is awaited ends nothing well", async () => {
  const body = new ReadableStream<Chunk>({ start: (controller) => controller.enqueue(png) });
  const picture = await opened(new Response(body));
  const reading = readAll(picture);
  await picture.close();
  expect((await reading).error).toBeInstanceOf(Error);
  expect(picture.ending()).toBeNull();
});
