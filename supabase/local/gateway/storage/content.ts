// The content of an upload, opened only as far as its head: media type and declared size are known before permission
// is asked, the bytes are read after it. A raw body, or a form as storage-js sends it.

import { noContent, tooLarge } from "./errors.ts";

export interface Content {
  mimeType: string;
  /** Of the whole request, a form's boundaries included; undefined for a stream of unknown length. */
  declaredBytes: number | undefined;
  /** A raw body's length gives it away; a form's does not. */
  isTooLarge: boolean;
  /** Reads on; for a form the rest of it. */
  read(): Promise<Opened>;
}

export interface Opened {
  body: ReadableStream<Uint8Array> | null;
  cacheControl: string;
  userMetadata: Record<string, unknown> | null;
}

// Boundaries, part headers and the small text fields around a file in a form.
const FORM_OVERHEAD_BYTES = 64 * 1024;
const FORM_HEAD_MAX_BYTES = 1024 * 1024 + FORM_OVERHEAD_BYTES; // its field of metadata may have a megabyte
const FILE_PART = /\r\ncontent-disposition:[^\r\n]*\bfilename=[^]*?\r\n\r\n/i;
const OCTETS = "application/octet-stream";

export async function openContent(request: Request, maxBytes: number): Promise<Content> {
  const type = request.headers.get("content-type") ?? OCTETS;
  const length = request.headers.get("content-length");
  const declaredBytes = length === null ? undefined : Number(length);
  if (!type.startsWith("multipart/form-data")) {
    const isTooLarge = (declaredBytes ?? 0) > maxBytes;
    return { mimeType: type, declaredBytes, isTooLarge, read: () => Promise.resolve(openRaw(request)) };
  }
  const { head, whole } = await readFormHead(request);
  return {
    mimeType: /\r\ncontent-type: *([^\r\n]+)/i.exec(head)?.[1]?.trim() ?? OCTETS,
    declaredBytes,
    isTooLarge: false,
    async read() {
      if ((declaredBytes ?? 0) > maxBytes + FORM_OVERHEAD_BYTES) throw tooLarge();
      return openForm(await new Response(whole, { headers: { "content-type": type } }).formData());
    },
  };
}

function openRaw(request: Request): Opened {
  const metadata = request.headers.get("x-metadata");
  return {
    body: request.body,
    cacheControl: request.headers.get("cache-control") ?? "no-cache",
    userMetadata: metadata === null ? null : jsonOf(Buffer.from(metadata, "base64").toString("utf8")),
  };
}

/** Up to the end of the file's part headers. `whole` gives what was read once more, then the rest. */
async function readFormHead(
  request: Request,
): Promise<{ head: string; whole: ReadableStream<Uint8Array> }> {
  const reader = request.body?.getReader();
  const read: Uint8Array[] = [];
  let text = "";
  while (text.length <= FORM_HEAD_MAX_BYTES) {
    const chunk = await reader?.read();
    if (!reader || !chunk || chunk.done) break;
    read.push(chunk.value);
    text += Buffer.from(chunk.value).toString("latin1");
    const [head] = FILE_PART.exec(text) ?? [];
    if (head !== undefined) return { head, whole: replay(read, reader) };
  }
  throw noContent();
}

function replay(
  read: Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const chunk = read.shift() ?? (await reader.read()).value;
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function openForm(form: FormData): Opened {
  let file: Blob | null = null;
  for (const value of form.values()) if (typeof value !== "string") file ??= value;
  if (!file) throw noContent();
  const seconds = form.get("cacheControl");
  const metadata = form.get("metadata");
  return {
    body: file.stream(),
    cacheControl: typeof seconds === "string" ? `max-age=${seconds}` : "no-cache",
    userMetadata: typeof metadata === "string" ? jsonOf(metadata) : null,
  };
}

function jsonOf(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null; // hosted ignores metadata that is not JSON
  }
}
