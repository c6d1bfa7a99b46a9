import sharp from "sharp";
import { expect, test } from "vitest";
import { drawPicture, type PictureRequest } from "../../supabase/local/fake-wavespeed/picture.ts";

const request: PictureRequest = {
  prompt: "a red fox in the snow",
  seed: 7,
  index: 0,
  widthPixels: 320,
  heightPixels: 240,
  format: "png",
};

async function draw(changes: Partial<PictureRequest> = {}): Promise<Buffer> {
  return Buffer.from((await drawPicture({ ...request, ...changes })).bytes);
}

/** Mean difference of two pictures, 0 … 255 a channel. */
async function difference(one: Buffer, other: Buffer): Promise<number> {
  const [a, b] = await Promise.all([one, other].map((bytes) => sharp(bytes).raw().toBuffer()));
  if (a === undefined || b === undefined || a.length !== b.length) throw new Error("different sizes");
  return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;
}

test("the same request draws the same bytes", async () => {
  expect(Buffer.compare(await draw(), await draw())).toBe(0);
});

test.each([
  ["another seed", { seed: 8 }],
  ["another index", { index: 1 }],
  ["another subject", { prompt: "a white rabbit in the snow" }],
  ["another colour", { prompt: "a blue fox in the snow" }],
  ["words it does not know", { prompt: "etwas ganz anderes" }],
])("%s draws a visibly different picture", async (_, changes) => {
  expect(await difference(await draw(), await draw(changes))).toBeGreaterThan(1);
});

test("night is darker than day, and a purple sky more purple than a green one", async () => {
  const mean = async (prompt: string) =>
    (await sharp(await draw({ prompt })).stats()).channels.map((one) => one.mean);
  const [night, day] = [await mean("hills at night"), await mean("hills on a sunny day")];
  const sum = (channels: number[]) => channels.reduce((total, value) => total + value, 0);
  expect(sum(day)).toBeGreaterThan(sum(night) * 1.5);
  const [purple = [], green = []] = [await mean("purple hills, misty"), await mean("green hills, misty")];
  expect((purple[0] ?? 0) - (purple[1] ?? 0)).toBeGreaterThan((green[0] ?? 0) - (green[1] ?? 0) + 20);
});

test.each(["jpeg", "png", "webp"] as const)("%s comes out at the exact size, opaque", async (format) => {
  for (const [widthPixels, heightPixels] of [[256, 1536], [333, 257], [16, 16], [2051, 257]] as const) {
    const { width, height, format: decoded, hasAlpha } = await sharp(
      await draw({ widthPixels, heightPixels, format }),
    ).metadata();
    expect([width, height, decoded, hasAlpha]).toEqual([widthPixels, heightPixels, format, false]);
  }
});

test("a prompt full of markup draws a picture like any other", async () => {
  const prompt = `"/><script>&amp;]]> <svg red ${"x".repeat(5000)}`;
  expect((await sharp(await draw({ prompt })).metadata()).width).toBe(320);
});
