// A picture on its way from the provider to Storage: never whole in memory, its digest, length and end mark taken as it
// passes. Its last bytes are held back until all is known to be good, so that of a bad one nobody has got the whole.

import { sha256InPieces } from "./digest.ts";
import { type ImageFacts, readHead, type Tail } from "./image-facts.ts";
import type { Output, OutputFault } from "./output.ts";

export type Chunk = Uint8Array<ArrayBuffer>;

export interface PictureStream {
  facts: ImageFacts;
  /** As declared by who sends it, if that counts the bytes of the picture. */
  declaredBytes: number | null;
  /**
   * Comes at its reader's pace, ends with a whole picture, and errors where it turns out to be none. A chunk is its
   * reader's until the next one is asked for.
   */
  stream: ReadableStream<Chunk>;
  /** How it ended; null while it has not, and for good if it was closed before. */
  ending(): Ending | null;
  /** Stops the download, if it still runs. */
  close(): Promise<void>;
}

export type Ending = { kind: "whole"; bytes: number; sha256: string } | OutputFault;

/** Above 45 MiB, below what the free plan lets Storage take in either reading of its 50 MB. */
export const maxOutputBytes = 48_000_000;

const truncated: OutputFault = { kind: "unavailable", reason: "truncated" };
const wrongLength: OutputFault = { kind: "unavailable", reason: "wrong_length" };
const tooLarge: OutputFault = { kind: "unusable", reason: "too_large" };
const noImage: OutputFault = { kind: "unusable", reason: "not_a_whole_image" };

/** Thrown into the stream, so that the upload breaks off; what it was for stands in `ending`. */
class BadPicture extends Error {
  override readonly name = "BadPicture";
}

/** Reads as far as the header, which also decides whether there is anything to upload at all. */
export async function openPicture(response: Response): Promise<Output> {
  const source = sourceOf(response);
  const first = await readFirst(source);
  if (first.kind === "image") return { kind: "image", picture: pictureOf(source, first) };
  await source.close();
  return first;
}

type First = { kind: "image"; bytes: Chunk; facts: ImageFacts; tail: Tail };

/** One chunk of most pictures, the head's 4 MiB of any. */
async function readFirst(source: Source): Promise<First | OutputFault> {
  let bytes: Chunk = new Uint8Array();
  for (let needed = 0;;) {
    const next = await source.read();
    if (next.kind === "chunk") bytes = joined(bytes, next.chunk);
    else if (next.kind !== "end") return next;
    if (next.kind === "chunk" && bytes.byteLength < needed) continue;
    const head = readHead(bytes, next.kind === "end");
    if (head.kind === "image") return { ...head, bytes };
    if (head.kind === "none") return noImage;
    needed = head.bytes;
  }
}

/** In the memory behind the first, or in twice what it takes: a large head of small chunks is copied a few times only. */
function joined(first: Chunk, second: Chunk): Chunk {
  if (first.byteLength === 0) return second;
  const length = first.byteLength + second.byteLength;
  const hasRoom = first.byteOffset + length <= first.buffer.byteLength;
  const buffer = hasRoom ? first.buffer : new ArrayBuffer(2 * length);
  const both = new Uint8Array(buffer, hasRoom ? first.byteOffset : 0, length);
  if (!hasRoom) both.set(first);
  both.set(second, first.byteLength);
  return both;
}

function pictureOf(source: Source, { bytes, facts, tail }: First): PictureStream {
  const digest = sha256InPieces();
  const take = (chunk: Chunk) => {
    digest.update(chunk);
    tail.push(chunk);
    return chunk;
  };
  let ending: Ending | null = null;
  let isClosed = false;
  let held = take(bytes);
  let given: Chunk | null = null;
  const close = async () => {
    isClosed = true;
    await source.close();
  };
  const stream = new ReadableStream<Chunk>({
    async pull(controller) {
      const next = await source.read();
      if (isClosed) return controller.error(new BadPicture("closed"));
      if (given !== null && given.buffer !== held.buffer) release(given);
      given = held;
      if (next.kind === "chunk") {
        held = take(next.chunk);
        return controller.enqueue(given);
      }
      ending = next.kind === "end"
        ? tail.isWhole() ? { kind: "whole", bytes: source.readBytes(), sha256: digest.hex() } : noImage
        : next;
      if (ending.kind === "whole") {
        controller.enqueue(given);
        return controller.close();
      }
      controller.error(new BadPicture(ending.reason));
      await source.close();
    },
    cancel: close,
  }, { highWaterMark: 0 });
  return { facts, declaredBytes: source.declaredBytes, stream, ending: () => ending, close };
}

/**
 * Gives a chunk's memory back once its reader has come for the next one. V8 is in no hurry to collect it: 45 MiB would
 * add 60 MB to the process instead of 10. Deno's fetch keeps alive what it has yet to send. Node's needs it to stay.
 */
const release: (chunk: Chunk) => void = "Deno" in globalThis
  ? ({ buffer }) => void buffer.transfer(0)
  : () => {};

interface Source {
  declaredBytes: number | null;
  /** How many so far. */
  readBytes(): number;
  /** Chunks are never empty. */
  read(): Promise<{ kind: "chunk"; chunk: Chunk } | { kind: "end" } | OutputFault>;
  close(): Promise<void>;
}

/** The body, held to its declared length and to the cap. */
function sourceOf({ headers, body }: Response): Source {
  const declared = headers.get("content-length");
  // Of an encoded body it counts the encoded bytes.
  const declaredBytes = declared === null || headers.has("content-encoding") ? null : Number(declared);
  const reader = body && readerOf(body);
  let readBytes = 0;
  return {
    declaredBytes,
    readBytes: () => readBytes,
    async read() {
      if ((declaredBytes ?? 0) > maxOutputBytes) return tooLarge;
      let chunk: Chunk | undefined;
      try {
        do chunk = await reader?.read(); while (chunk?.byteLength === 0);
      } catch {
        // A connection that broke: the rest may come another time.
        return truncated;
      }
      readBytes += chunk?.byteLength ?? 0;
      if (declaredBytes !== null && readBytes > declaredBytes) return wrongLength;
      if (readBytes > maxOutputBytes) return tooLarge;
      if (chunk !== undefined) return { kind: "chunk", chunk };
      return declaredBytes !== null && readBytes !== declaredBytes ? truncated : { kind: "end" };
    },
    async close() {
      // One that broke by itself says so once more.
      await reader?.cancel().catch(() => {});
    },
  };
}

interface Reader {
  /** Undefined at the end. */
  read(): Promise<Chunk | undefined>;
  cancel(): Promise<void>;
}

/** What arrived together comes together: a third of the chunks, and a tenth of the time of a large picture less. */
const maxChunkBytes = 256 * 1024;

function readerOf(body: ReadableStream<Chunk>): Reader {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    // Not the network's: its chunks are as large as they are.
    const whole = body.getReader();
    return { read: async () => (await whole.read()).value, cancel: () => whole.cancel() };
  }
  return {
    async read() {
      const { done, value } = await reader.read(new Uint8Array(maxChunkBytes));
      return done ? undefined : value;
    },
    cancel: () => reader.cancel(),
  };
}
