// Turns pixels as the EXIF orientation says; decoders leave them as the camera lay.

export interface Pixels {
  /** Four bytes a pixel, row by row. */
  rgba: Uint8Array;
  width: number;
  height: number;
}

/** Where the pixel at (x, y) of the upright picture lies in one of this width and height. */
type Source = (x: number, y: number, width: number, height: number) => readonly [x: number, y: number];

/** By EXIF orientation; 1 is upright. */
const sources: Readonly<Record<number, Source>> = {
  2: (x, y, width) => [width - 1 - x, y],
  3: (x, y, width, height) => [width - 1 - x, height - 1 - y],
  4: (x, y, _width, height) => [x, height - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y, _width, height) => [y, height - 1 - x],
  7: (x, y, width, height) => [width - 1 - y, height - 1 - x],
  8: (x, y, width) => [width - 1 - y, x],
};

/** From 5 on, width and height change places. */
const firstQuarterTurn = 5;

export function upright(pixels: Pixels, orientation: number): Pixels {
  const source = sources[orientation];
  if (source === undefined) return pixels;
  const { rgba, width, height } = pixels;
  const isTurned = orientation >= firstQuarterTurn;
  const turned = {
    width: isTurned ? height : width,
    height: isTurned ? width : height,
  };
  const from = new Uint32Array(rgba.buffer, rgba.byteOffset, width * height);
  const to = new Uint32Array(width * height);
  for (let y = 0, at = 0; y < turned.height; y++) {
    for (let x = 0; x < turned.width; x++, at++) {
      const [fromX, fromY] = source(x, y, width, height);
      to[at] = from[fromY * width + fromX] ?? 0;
    }
  }
  return { rgba: new Uint8Array(to.buffer), ...turned };
}
