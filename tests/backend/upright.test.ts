// Pixels turned as EXIF says, compared with what libvips makes of the same orientation.

import sharp from "sharp";
import { expect, test } from "vitest";
import { type Pixels, upright } from "../../shared/backend/mod.ts";

const width = 5;
const height = 3;
const orientations = [1, 2, 3, 4, 5, 6, 7, 8];

/** Each pixel its own colour. */
const pixels: Pixels = {
  rgba: Uint8Array.from({ length: width * height * 4 }, (_, at) => at % 4 === 3 ? 255 - at : at * 4),
  width,
  height,
};

test.each(orientations)("orientation %i is turned as every viewer turns it", async (orientation) => {
  const lying = await sharp(pixels.rgba, { raw: { width, height, channels: 4 } })
    .withMetadata({ orientation }).png().toBuffer();
  const { data, info } = await sharp(lying).rotate().raw().toBuffer({ resolveWithObject: true });
  expect(upright(pixels, orientation)).toEqual({
    rgba: new Uint8Array(data),
    width: info.width,
    height: info.height,
  });
});

test.each([0, 9, -1, 6.5])("%s is no orientation and turns nothing", (orientation) => {
  expect(upright(pixels, orientation)).toEqual(pixels);
});
