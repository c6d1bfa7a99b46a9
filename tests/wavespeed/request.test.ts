import { describe, expect, test } from "vitest";
import { buildInput, ProviderModel } from "../../shared/wavespeed/mod.ts";

const flux = ProviderModel.parse({
  path: "wavespeed-ai/flux-dev",
  ratios: { "1:1": { size: "1024*1024" }, "16:9": { size: "1344*768" } },
  fixed: { output_format: "jpeg" },
  images_field: "num_images",
  inputs_field: null,
  seed_field: "seed",
});
const banana = ProviderModel.parse({
  path: "google/nano-banana/edit",
  ratios: { "4:5": { aspect_ratio: "4:5" } },
  inputs_field: "images",
});
const request = { prompt: "a fox", aspectRatio: "1:1", numImages: 1, seed: null, inputUrls: [] };

describe("buildInput", () => {
  test("writes size, count and seed under the model's own names", () => {
    expect(buildInput(flux, { ...request, aspectRatio: "16:9", numImages: 3, seed: 0 })).toEqual({
      prompt: "a fox",
      size: "1344*768",
      num_images: 3,
      seed: 0,
      output_format: "jpeg",
    });
  });

  test("leaves out what the model has no name for", () => {
    const input = buildInput(banana, {
      ...request,
      aspectRatio: "4:5",
      seed: 5,
      inputUrls: ["https://a/1", "https://a/2"],
    });
    expect(input).toEqual({ prompt: "a fox", aspect_ratio: "4:5", images: ["https://a/1", "https://a/2"] });
  });

  test("gives a single reference image to a model that takes one as a text", () => {
    const one = { ...banana, inputs_field: "image" as const };
    const asked = { ...request, aspectRatio: "4:5", inputUrls: ["https://a/1"] };
    expect(buildInput(one, asked)).toMatchObject({ image: "https://a/1" });
    expect(() => buildInput(one, { ...asked, inputUrls: ["https://a/1", "https://a/2"] })).toThrow(
      /inputUrls/,
    );
  });

  test("lets no fixed value replace the prompt or the ratio", () => {
    const odd = { ...flux, fixed: { prompt: "another", size: "1*1" } };
    expect(buildInput(odd, request)).toMatchObject({ prompt: "a fox", size: "1024*1024" });
  });

  test.each([
    [{ aspectRatio: "9:16" }, /aspectRatio/],
    [{ aspectRatio: "toString" }, /aspectRatio/],
    [{ numImages: 0 }, /numImages/],
    [{ numImages: 1.5 }, /numImages/],
    [{ seed: -1 }, /seed/],
    [{ seed: 2 ** 31 }, /seed/],
    [{ inputUrls: ["https://a/1?token=s3cret"] }, /inputUrls/],
  ])("throws for %o, naming the field and not the value", (changes, message) => {
    const error = catching(() => buildInput(flux, { ...request, ...changes }));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/s3cret|toString|fox/);
  });

  test("throws for several pictures from a model that makes one", () => {
    expect(() => buildInput(banana, { ...request, aspectRatio: "4:5", numImages: 2 })).toThrow(/numImages/);
  });
});

describe("ProviderModel", () => {
  test.each(["flux-dev", "../balance", "a/../b", "a//b", "a/b?x=1", "https://evil/a", "/a/b", "a/b/"])(
    "refuses the path %s, which could reach another endpoint",
    (path) => expect(ProviderModel.safeParse({ ...flux, path }).success).toBe(false),
  );
  test("refuses a field it does not know, so that a misspelling is not silently ignored", () => {
    expect(ProviderModel.safeParse({ ...flux, seedfield: "seed" }).success).toBe(false);
  });
});

function catching(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was thrown");
}
