// The models that the stand-in offers, with the bounds of their inputs as the provider publishes them.

import { roundUsd } from "./usd.ts";

export interface FakeModel {
  id: string;
  type: "text-to-image" | "image-to-image";
  /** For one picture. */
  priceUsd: number;
  /** JSON schema of the input, as the live catalogue gives it. */
  schema: InputSchema;
}

export interface InputSchema {
  type: "object";
  additionalProperties: false;
  required: string[];
  properties: Record<string, InputProperty>;
  "x-order-properties": string[];
}

export interface InputProperty {
  type: "string" | "integer" | "number" | "boolean" | "array";
  default?: unknown;
  minimum?: number;
  maximum?: number;
  enum?: string[];
  items?: { type: "string" };
  minItems?: number;
  maxItems?: number;
  /** The catalogue's mark of the two inputs that its own playground does not offer. */
  disabled?: true;
  "x-ui-component"?: "uploader" | "uploaders" | "slider";
}

const prompt: InputProperty = { type: "string" };
/** `W*H`; the bounds hold for each side. */
const size = (side: number | null, minimum: number, maximum: number): InputProperty => ({
  type: "string",
  minimum,
  maximum,
  ...(side === null ? {} : { default: `${side}*${side}` }),
});
const seed: InputProperty = { type: "integer", default: -1, minimum: -1, maximum: 2_147_483_647 };
const format = (first: string, ...others: string[]): InputProperty => ({
  type: "string",
  default: first,
  enum: [first, ...others],
});
const count: InputProperty = { type: "integer", default: 1, minimum: 1, maximum: 4 };
const image: InputProperty = { type: "string", "x-ui-component": "uploader" };
const images = (maxItems: number): InputProperty => ({
  type: "array",
  items: { type: "string" },
  minItems: 1,
  maxItems,
  "x-ui-component": "uploaders",
});
const strength = (preset: number): InputProperty => ({
  type: "number",
  default: preset,
  minimum: 0,
  maximum: 1,
  "x-ui-component": "slider",
});
const aspectRatio: InputProperty = {
  type: "string",
  enum: ["1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"],
};
const common: Record<string, InputProperty> = {
  enable_sync_mode: { type: "boolean", default: false, disabled: true },
  enable_base64_output: { type: "boolean", default: false, disabled: true },
};

function model(
  id: string,
  priceUsd: number,
  required: string[],
  properties: Record<string, InputProperty>,
): FakeModel {
  const type = required.includes("images") ? "image-to-image" : "text-to-image";
  return { id, type, priceUsd, schema: schema(required, { ...properties, ...common }) };
}

function schema(required: string[], properties: Record<string, InputProperty>): InputSchema {
  const order = Object.keys(properties);
  return { type: "object", additionalProperties: false, required, properties, "x-order-properties": order };
}

/** The schema as the catalogue shows it, with or without the inputs that most models have in common. */
export function schemaOf(model: FakeModel, commonFlags = true): InputSchema {
  if (commonFlags) return model.schema;
  const own = Object.entries(model.schema.properties).filter(([name]) => !(name in common));
  return schema(model.schema.required, Object.fromEntries(own));
}

const flux = {
  prompt,
  image,
  mask_image: image,
  strength: strength(0.8),
  size: size(1024, 256, 1536),
  num_images: count,
  seed,
  output_format: format("jpeg", "png", "webp"),
};

export const fakeModels: readonly FakeModel[] = [
  model("wavespeed-ai/flux-dev", 0.012, ["prompt"], {
    ...flux,
    num_inference_steps: { type: "integer", default: 28, minimum: 1, maximum: 50 },
    guidance_scale: { type: "number", default: 3.5, minimum: 1, maximum: 20 },
  }),
  model("wavespeed-ai/flux-schnell", 0.003, ["prompt"], flux),
  model("wavespeed-ai/z-image/turbo", 0.005, ["prompt"], {
    prompt,
    image,
    strength: strength(0.6),
    size: size(1024, 256, 1536),
    seed,
    output_format: format("jpeg", "png", "webp"),
  }),
  model("wavespeed-ai/qwen-image/text-to-image", 0.02, ["prompt"], {
    prompt,
    size: size(1024, 256, 1536),
    seed,
    output_format: format("jpeg", "png", "webp"),
  }),
  model("wavespeed-ai/qwen-image/edit-plus", 0.02, ["prompt", "images"], {
    prompt,
    images: images(3),
    size: size(null, 256, 1536),
    seed,
    output_format: format("jpeg", "png", "webp"),
  }),
  model("bytedance/seedream-v4", 0.027, ["prompt"], { prompt, size: size(2048, 512, 8192) }),
  model("google/nano-banana/text-to-image", 0.038, ["prompt"], {
    prompt,
    aspect_ratio: aspectRatio,
    output_format: format("png", "jpeg"),
  }),
  model("google/nano-banana/edit", 0.038, ["prompt", "images"], {
    prompt,
    images: images(10),
    aspect_ratio: aspectRatio,
    output_format: format("png", "jpeg"),
  }),
];

/** One task's price in USD. */
export function priceOf(model: FakeModel, input: Record<string, unknown>): number {
  return roundUsd(model.priceUsd * pictureCount(input));
}

/** How many pictures an input asks for. */
export function pictureCount(input: Record<string, unknown>): number {
  return typeof input["num_images"] === "number" ? input["num_images"] : 1;
}
