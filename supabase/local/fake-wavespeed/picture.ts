// A real picture file for a prompt: exact size, asked format, the same bytes for the same request.

import sharp, { type Sharp } from "sharp";
import { drawScene } from "./scene/mod.ts";

export type PictureFormat = "jpeg" | "png" | "webp";

export interface PictureRequest {
  prompt: string;
  seed: number;
  /** Which of several pictures of one task. */
  index: number;
  widthPixels: number;
  heightPixels: number;
  format: PictureFormat;
  /** Reference pictures, any format: the scene is laid over the first, the others are pinned on it. */
  inputs?: readonly Uint8Array[];
}

export interface Picture {
  bytes: Uint8Array;
  contentType: string;
  widthPixels: number;
  heightPixels: number;
}

/** Larger pictures are drawn at this size and enlarged: a vector drawing of 8192² takes a quarter of a GiB. */
const maxDrawnPixels = 2048;
/** Protects the stack from a bomb among the inputs: 64 megapixels. */
const maxInputPixels = 64_000_000;

export async function drawPicture(request: PictureRequest): Promise<Picture> {
  const { widthPixels, heightPixels, format } = request;
  const shrink = Math.min(1, maxDrawnPixels / Math.max(widthPixels, heightPixels));
  const inputs = request.inputs ?? [];
  const drawn = {
    widthPixels: Math.max(1, Math.round(widthPixels * shrink)),
    heightPixels: Math.max(1, Math.round(heightPixels * shrink)),
  };
  const svg = drawScene({ ...request, ...drawn, part: inputs.length === 0 ? "whole" : "overlay" });
  const scene = sharp(Buffer.from(svg));
  const image = inputs.length === 0 ? scene : await layOver(await scene.png().toBuffer(), inputs, drawn);
  const sized = shrink === 1
    ? image
    : sharp(await image.png().toBuffer()).resize(widthPixels, heightPixels, { fit: "fill" });
  return {
    bytes: await encode(sized.removeAlpha(), format),
    contentType: `image/${format}`,
    widthPixels,
    heightPixels,
  };
}

export async function isPicture(bytes: Uint8Array): Promise<boolean> {
  try {
    await sharp(bytes, { limitInputPixels: maxInputPixels }).metadata();
    return true;
  } catch {
    // sharp says in many words what it could not read; all that matters is that it could not.
    return false;
  }
}

async function layOver(
  overlay: Buffer,
  inputs: readonly Uint8Array[],
  size: { widthPixels: number; heightPixels: number },
): Promise<Sharp> {
  const { widthPixels, heightPixels } = size;
  const [first, ...others] = inputs;
  const side = Math.max(8, Math.round(Math.min(widthPixels, heightPixels) * 0.24));
  const gap = Math.round(side * 0.14);
  const pinned = await Promise.all(
    others.slice(0, 3).map(async (bytes, index) => ({
      input: await sharp(bytes, { limitInputPixels: maxInputPixels }).rotate().resize(side, side, {
        fit: "cover",
      })
        .extend({ top: 6, bottom: 6, left: 6, right: 6, background: "#ffffff" }).png().toBuffer(),
      left: gap,
      top: gap + index * (side + gap),
    })),
  );
  return sharp(first, { limitInputPixels: maxInputPixels }).rotate()
    .resize(widthPixels, heightPixels, { fit: "cover" })
    .composite([
      { input: overlay, left: 0, top: 0 },
      ...pinned.filter(({ top }) => top + side + 12 < heightPixels),
    ]);
}

function encode(image: Sharp, format: PictureFormat): Promise<Buffer> {
  switch (format) {
    case "jpeg":
      return image.jpeg({ quality: 88 }).toBuffer();
    case "png":
      return image.png({ compressionLevel: 6 }).toBuffer();
    case "webp":
      return image.webp({ quality: 86 }).toBuffer();
  }
}
