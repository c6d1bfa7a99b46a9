// Real pictures, small, made once a file; and a fetch that answers with bytes.

import sharp, { type Sharp } from "sharp";

const blank = { create: { width: 6, height: 4, channels: 3, background: "#c34" } } as const;

async function bytesOf(picture: Sharp): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await picture.toBuffer());
}

export const png = await bytesOf(sharp(blank).png());
export const jpeg = await bytesOf(sharp(blank).jpeg());
export const progressiveJpeg = await bytesOf(sharp(blank).jpeg({ progressive: true }));
export const webp = await bytesOf(sharp(blank).webp());
export const losslessWebp = await bytesOf(sharp(blank).webp({ lossless: true }));
/** With an alpha channel and EXIF, so that the extended header is written. */
export const extendedWebp = await bytesOf(
  sharp(blank).ensureAlpha(0.5).withMetadata({ orientation: 1 }).webp(),
);
export const gif = await bytesOf(sharp(blank).gif());
export const turnedJpeg = (orientation: number) => bytesOf(sharp(blank).withMetadata({ orientation }).jpeg());

/** Each address answers as told; any other is a test's mistake. */
export function servingAt(answers: Record<string, () => Response>): typeof fetch & { addresses: string[] } {
  const addresses: string[] = [];
  const serve: typeof fetch = (input) => {
    const address = String(input);
    addresses.push(address);
    const answer = answers[address];
    if (answer === undefined) throw new TypeError(`nothing was expected at ${address}`);
    return new Promise((resolve) => resolve(answer()));
  };
  return Object.assign(serve, { addresses });
}

/** A body in pieces, each made when it is read; the declared length may be another. */
export function streamed(
  chunks: Iterable<Uint8Array<ArrayBuffer>>,
  headers: Record<string, string> = {},
): Response {
  const pieces = chunks[Symbol.iterator]();
  return new Response(
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const { done, value } = pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    }, { highWaterMark: 0 }),
    { headers },
  );
}

export function redirectTo(location: string, status = 302): Response {
  return new Response(null, { status, headers: { location } });
}
