// A whole PNG of a few dozen bytes that says which task and output it is: header, that text, end mark.

const magic = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** With its checksum. */
const end = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];

function chunk(type: string, data: Uint8Array): number[] {
  const length = [24, 16, 8, 0].map((shift) => (data.byteLength >>> shift) & 255);
  // Nobody on the way reads the checksum.
  return [...length, ...new TextEncoder().encode(type), ...data, 0, 0, 0, 0];
}

export function pictureOf(taskId: string, index: number): Uint8Array<ArrayBuffer> {
  const size = [0, 0, 0, 64, 0, 0, 0, 48, 8, 2, 0, 0, 0];
  const words = new TextEncoder().encode(`task\0${taskId}/${index}`);
  return Uint8Array.from([
    ...magic,
    ...chunk("IHDR", Uint8Array.from(size)),
    ...chunk("tEXt", words),
    ...end,
  ]);
}
