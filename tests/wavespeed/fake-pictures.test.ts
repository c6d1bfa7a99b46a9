import { createHash } from "node:crypto";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import type { Wavespeed } from "../../shared/wavespeed/mod.ts";
import { startProvider } from "./fake-provider.ts";
import { deafUrl } from "./raw-server.ts";

async function pictureAt(url = "") {
  const response = await fetch(url);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const { width, height, format } = await sharp(bytes).metadata();
  return { bytes, width, height, format, contentType: response.headers.get("content-type") };
}

/** The URL of an uploaded picture of one colour. */
async function uploadPlain(wavespeed: Wavespeed, background: string): Promise<string> {
  const bytes = await sharp({ create: { width: 90, height: 60, channels: 3, background } }).png().toBuffer();
  const file = new Blob([new Uint8Array(bytes)], { type: "image/png" });
  const uploaded = await wavespeed.upload(file, "in.png");
  if (uploaded.kind !== "ok") throw new Error(uploaded.kind);
  return uploaded.value.url;
}

describe("pictures", () => {
  test.each([
    ["wavespeed-ai/flux-dev", { size: "300*444", output_format: "png" }, [300, 444, "png"]],
    ["wavespeed-ai/flux-schnell", { size: "1344*768" }, [1344, 768, "jpeg"]],
    ["wavespeed-ai/z-image/turbo", { size: "256*1536", output_format: "webp" }, [256, 1536, "webp"]],
    ["wavespeed-ai/qwen-image/text-to-image", {}, [1024, 1024, "jpeg"]],
    ["wavespeed-ai/qwen-image/edit-plus", { size: "320*256", output_format: "png" }, [320, 256, "png"]],
    ["bytedance/seedream-v4", { size: "2560*1440" }, [2560, 1440, "jpeg"]],
    ["google/nano-banana/text-to-image", { aspect_ratio: "16:9" }, [1360, 768, "png"]],
    ["google/nano-banana/text-to-image", { aspect_ratio: "4:5", output_format: "jpeg" }, [912, 1152, "jpeg"]],
    ["google/nano-banana/edit", { aspect_ratio: "1:1", output_format: "jpeg" }, [1024, 1024, "jpeg"]],
  ])("of %s for %o decode to %j", async (modelId, input, [width, height, format]) => {
    const { wavespeed, make } = await startProvider();
    const images = modelId.includes("edit") ? { images: [await uploadPlain(wavespeed, "#8899aa")] } : {};
    const prediction = await make({ ...input, ...images }, { modelId });
    expect(prediction).toMatchObject({ status: "completed", model: modelId });
    const picture = await pictureAt(prediction.outputs[0]);
    expect([picture.width, picture.height, picture.format]).toEqual([width, height, format]);
    expect(picture.contentType).toBe(`image/${format}`);
  });

  test("are of the same bytes for the same seed, and of others for another seed or prompt", async () => {
    const { make, journal } = await startProvider();
    for (const input of [{ seed: 1 }, { seed: 1 }, { seed: 2 }, { seed: 1, prompt: "a green whale" }]) {
      await make(input);
    }
    const [first, again, ...others] = (await journal()).predictions.map(({ outputs }) => outputs[0]?.sha256);
    expect(again).toBe(first);
    expect(new Set([first, ...others]).size).toBe(3);
  });

  test("differ from task to task where no seed was given", async () => {
    const { make, journal } = await startProvider();
    await make();
    await make({ seed: -1 });
    const hashes = (await journal()).predictions.map(({ outputs }) => outputs[0]?.sha256);
    expect(new Set(hashes).size).toBe(2);
  });

  test("are served without a key, as many as asked, with the bytes that the journal names", async () => {
    const { fake, make, journal } = await startProvider();
    const { outputs } = await make({ num_images: 3, seed: 1 });
    const [entry] = (await journal()).predictions;
    const hashes = await Promise.all(outputs.map(async (url) => {
      const { bytes } = await pictureAt(url);
      return createHash("sha256").update(bytes).digest("hex");
    }));
    expect(new Set(hashes).size).toBe(3);
    expect(entry?.outputs.map(({ sha256 }) => sha256)).toEqual(hashes);
    expect(outputs).toEqual(entry?.outputs.map(({ path }) => fake.url + path));
    expect((await fetch(`${fake.url}/output/${"0".repeat(32)}-0.jpeg`)).status).toBe(404);
  });

  test("of an edit model are drawn over the reference image", async () => {
    const { wavespeed, make } = await startProvider();
    const modelId = "wavespeed-ai/qwen-image/edit-plus";
    const made = async (...images: string[]) => {
      const { outputs } = await make({ images, seed: 3, size: "320*256", output_format: "png" }, { modelId });
      return await pictureAt(outputs[0]);
    };
    const [red, green] = [await uploadPlain(wavespeed, "#ff0000"), await uploadPlain(wavespeed, "#00ff00")];
    const [overRed, overGreen, pinned] = [await made(red), await made(green), await made(red, green)];
    expect([overRed.width, overRed.height]).toEqual([320, 256]);
    const [r, g] = (await sharp(overRed.bytes).stats()).channels.map(({ mean }) => mean);
    const [r2, g2] = (await sharp(overGreen.bytes).stats()).channels.map(({ mean }) => mean);
    expect(r).toBeGreaterThan((g ?? 0) + 30);
    expect(g2).toBeGreaterThan((r2 ?? 0) + 30);
    expect(Buffer.compare(pinned.bytes, overRed.bytes)).not.toBe(0);
  });

  test("of an edit model fail with 1402 when an image cannot be reached or is none", async () => {
    const { fake, make } = await startProvider();
    for (
      const url of [
        await deafUrl(),
        `${fake.url}/upload/none`,
        `${fake.url}/control`,
        "file:///etc/hostname",
        "nonsense",
      ]
    ) {
      const prediction = await make({ images: [url] }, { modelId: "google/nano-banana/edit" });
      expect(prediction, url).toMatchObject({ status: "failed", errorCode: 1402, outputs: [] });
    }
  });
});
