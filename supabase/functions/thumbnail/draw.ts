// Draws a picture small: decodes it, scales it, turns it upright, encodes it and makes its placeholder. WebAssembly,
// inlined in its package and compiled when the isolate starts, so that nothing is read or fetched in a request.

import { PhotonImage, resize, SamplingFilter } from "@cf-wasm/photon/node";
import { rgbaToThumbHash } from "thumbhash";
import { type Drawing, type Pixels, type Thumbnail, upright } from "../../../shared/backend/mod.ts";

const jpegQuality = 80;
/** Above it the placeholder's maker refuses. */
const maxHashSidePixels = 100;

/** Synchronous: this is where an isolate's CPU time goes, and where it may end. Throws on what it cannot decode. */
export function draw({ bytes, orientation, maxSidePixels }: Drawing): Thumbnail {
  const drawn = upright(smallPixels(bytes, maxSidePixels), orientation);
  const thumbnail = new PhotonImage(drawn.rgba, drawn.width, drawn.height);
  try {
    return { ...encoded(thumbnail, isOpaque(drawn)), thumbhash: thumbhashOf(thumbnail) };
  } finally {
    thumbnail.free();
  }
}

function smallPixels(bytes: Uint8Array, maxSidePixels: number): Pixels {
  const picture = PhotonImage.new_from_byteslice(bytes);
  try {
    return scaled(picture, maxSidePixels);
  } finally {
    picture.free();
  }
}

/** Never enlarged. */
function scaled(picture: PhotonImage, maxSidePixels: number): Pixels {
  const [wide, high] = [picture.get_width(), picture.get_height()];
  const scale = Math.min(1, maxSidePixels / Math.max(wide, high));
  if (scale === 1) return { rgba: picture.get_raw_pixels(), width: wide, height: high };
  const width = Math.max(1, Math.round(wide * scale));
  const height = Math.max(1, Math.round(high * scale));
  const small = resize(picture, width, height, SamplingFilter.Triangle);
  try {
    return { rgba: small.get_raw_pixels(), width, height };
  } finally {
    small.free();
  }
}

/** The encoder's WebP is lossless, ten times a JPEG's size: only for pictures that need its transparency. */
function encoded(picture: PhotonImage, opaque: boolean): Omit<Thumbnail, "thumbhash"> {
  return opaque
    ? { bytes: new Uint8Array(picture.get_bytes_jpeg(jpegQuality)), contentType: "image/jpeg" }
    : { bytes: new Uint8Array(picture.get_bytes_webp()), contentType: "image/webp" };
}

function isOpaque({ rgba }: Pixels): boolean {
  for (let alpha = 3; alpha < rgba.length; alpha += 4) if (rgba[alpha] !== 255) return false;
  return true;
}

function thumbhashOf(picture: PhotonImage): string {
  const { rgba, width, height } = scaled(picture, maxHashSidePixels);
  return btoa(String.fromCharCode(...rgbaToThumbHash(width, height, rgba)));
}
