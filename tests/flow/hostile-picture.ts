// A small file that is a right picture and takes a decoder far more CPU time than a function has: a progressive JPEG
// that sends the same scan again and again.

import sharp from "sharp";

const startOfScan = 0xda;
const endOfImage = 0xd9;

interface Segment {
  marker: number;
  from: number;
  to: number;
}

function* segmentsOf(jpeg: Buffer): Generator<Segment> {
  for (let from = 2; from < jpeg.length && jpeg[from + 1] !== endOfImage;) {
    const marker = jpeg[from + 1] ?? 0;
    let to = from + 2 + jpeg.readUInt16BE(from + 2);
    // A scan's data follows its header, up to the next marker.
    if (marker === startOfScan) { while (!(jpeg[to] === 0xff && jpeg[to + 1] !== 0)) to++; }
    yield { marker, from, to };
    from = to;
  }
}

/** Within all limits: 2048 x 2048, 16 bytes a scan; each takes above a millisecond. */
export async function manyScans(scans: number): Promise<Buffer> {
  const jpeg = await sharp({ create: { width: 2048, height: 2048, channels: 3, background: "#334455" } })
    .jpeg({ progressive: true }).toBuffer();
  const [, second] = [...segmentsOf(jpeg)].filter(({ marker }) => marker === startOfScan);
  if (second === undefined) throw new Error("not progressive");
  const again = jpeg.subarray(second.from, second.to);
  return Buffer.concat([
    jpeg.subarray(0, second.to),
    ...Array.from({ length: scans }, () => again),
    jpeg.subarray(second.to),
  ]);
}
