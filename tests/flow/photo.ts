// Reference images of a size.

import sharp from "sharp";

const mebi = 1024 * 1024;

/** A PNG of about so many MiB: noise, of which nothing can be left out. */
export async function photo(megabytes: number): Promise<Buffer> {
  const side = Math.ceil(Math.sqrt(megabytes * mebi / 3));
  const noise = { type: "gaussian", mean: 128, sigma: 60 } as const;
  return await sharp({ create: { width: side, height: side, channels: 3, background: "#fff", noise } })
    .png({ compressionLevel: 0 }).toBuffer();
}
