// The models that are offered, as their rows stand in the migration: each one must come out as its provider wants it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildInput, ProviderModel } from "../../shared/wavespeed/mod.ts";
import { fakeModels } from "../../supabase/local/fake-wavespeed/catalogue.ts";
import { resolveInput } from "../../supabase/local/fake-wavespeed/input.ts";

interface Row {
  id: string;
  ratios: string[];
  maxImages: number;
  minInputs: number;
  maxInputs: number;
  provider: ProviderModel;
}

const migrations = join(import.meta.dirname, "../../supabase/migrations");
const file = readdirSync(migrations).find((name) => name.endsWith("_catalogue.sql")) ?? "";
/** ('id', 'label', 'description', '{ratios}', max_images, min_inputs, max_inputs, price, seconds, order, '{provider}') */
const rowForm =
  /\('([^']+)', '[^']*', '[^']*',\s*'\{([^}]+)\}', (\d+), (\d+), (\d+), \d+, \d+, \d+,\s*'(\{[^']+\})'\)/g;
const rows: Row[] = [...readFileSync(join(migrations, file), "utf8").matchAll(rowForm)].map(
  ([, id = "", ratios = "", maxImages, minInputs, maxInputs, provider = ""]) => ({
    id,
    ratios: ratios.split(","),
    maxImages: Number(maxImages),
    minInputs: Number(minInputs),
    maxInputs: Number(maxInputs),
    provider: ProviderModel.parse(JSON.parse(provider)),
  }),
);

const links = (count: number) => Array.from({ length: count }, (_, index) => `https://a.example/${index}`);
const jpeg = { output_format: "jpeg" };

/** Asked for: prompt "a fox", 16:9, as many pictures and reference images as allowed, seed 7. */
const inputs: Record<string, Record<string, unknown>> = {
  "flux-schnell": { ...jpeg, prompt: "a fox", size: "1344*768", num_images: 4, seed: 7 },
  "flux-dev": { ...jpeg, prompt: "a fox", size: "1344*768", num_images: 4, seed: 7 },
  "z-image-turbo": { ...jpeg, prompt: "a fox", size: "1344*768", seed: 7 },
  "qwen-image": { ...jpeg, prompt: "a fox", size: "1344*768", seed: 7 },
  "seedream-v4": { prompt: "a fox", size: "2560*1440" },
  "nano-banana": { ...jpeg, prompt: "a fox", aspect_ratio: "16:9" },
  "nano-banana-edit": { ...jpeg, prompt: "a fox", aspect_ratio: "16:9", images: links(10) },
  "qwen-image-edit": { ...jpeg, prompt: "a fox", size: "1344*768", seed: 7, images: links(3) },
};

test("the migration's rows are the models of this test", () => {
  expect(rows.map(({ id }) => id)).toEqual(Object.keys(inputs));
});

describe.each(rows)("the model $id", ({ id, ratios, maxImages, minInputs, maxInputs, provider }) => {
  const asked = { prompt: "a fox", aspectRatio: "16:9", numImages: 1, seed: 7, inputUrls: links(minInputs) };

  test("is asked under its provider's own names and with nothing else", () => {
    const most = { ...asked, numImages: maxImages, inputUrls: links(maxInputs) };
    expect(buildInput(provider, most)).toEqual(inputs[id]);
  });

  test("is not asked for what its row has no field for", () => {
    if (maxImages === 1) expect(() => buildInput(provider, { ...asked, numImages: 2 })).toThrow(/numImages/);
    if (maxInputs === 0) {
      expect(() => buildInput(provider, { ...asked, inputUrls: links(1) })).toThrow(/inputUrls/);
    }
    expect(() => buildInput(provider, { ...asked, aspectRatio: "5:1" })).toThrow(/aspectRatio/);
    expect(buildInput(provider, { ...asked, seed: null })).not.toHaveProperty("seed");
  });

  test.each(ratios)("in %s is within the provider's bounds, and no input of it is dropped", (aspectRatio) => {
    const model = fakeModels.find((one) => one.id === provider.path);
    if (model === undefined) throw new Error(`the stand-in lacks ${provider.path}`);
    const most = { ...asked, aspectRatio, numImages: maxImages, inputUrls: links(maxInputs) };
    const input = buildInput(provider, most);
    expect(resolveInput(model, input, { unknownKeys: "reject", commonFlags: false })).toMatchObject({
      ok: true,
      input,
    });
    const [across = 1, down = 1] = aspectRatio.split(":").map(Number);
    const [width, height] = String(input["size"] ?? aspectRatio.replace(":", "*")).split("*").map(Number);
    expect(Math.abs((width ?? 0) / (height ?? 1) / (across / down) - 1)).toBeLessThan(0.03);
  });
});
