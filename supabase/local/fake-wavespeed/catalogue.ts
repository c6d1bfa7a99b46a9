// The models that the stand-in offers, with the bounds of their inputs as the provider publishes them.

export interface FakeModel {
  id: string;
  priceUsd: number;
  /** JSON schema of the input, as the live catalogue gives it. */
  schema: InputSchema;
}

export interface InputSchema {
  type: "object";
  additionalProperties: false;
  required: string[];
  properties: Record<string, InputProperty>;
}

export interface InputProperty {
  type: "string" | "integer" | "number" | "boolean" | "array";
  default?: unknown;
  minimum?: number;
  maximum?: number;
  enum?: string[];
  minItems?: number;
  maxItems?: number;
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
const images = (maxItems: number): InputProperty => ({ type: "array", minItems: 1, maxItems });
const aspectRatio: InputProperty = {
  type: "string",
  enum: ["1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"],
};
const common: Record<string, InputProperty> = {
  enable_sync_mode: { type: "boolean", default: false },
  enable_base64_output: { type: "boolean", default: false },
};

function model(
  id: string,
  priceUsd: number,
  required: string[],
  properties: Record<string, InputProperty>,
): FakeModel {
  return {
    id,
    priceUsd,
    schema: {
      type: "object",
      additionalProperties: false,
      required,
      properties: { ...properties, ...common },
    },
  };
}

const flux = {
  prompt,
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

export type ResolvedInput = Record<string, unknown> & { prompt: string };

/** The input with defaults filled in and unknown keys dropped, as the live API does; or what is wrong with it. */
export function resolveInput(
  { schema }: FakeModel,
  given: Record<string, unknown>,
): { ok: true; input: ResolvedInput } | { ok: false; problem: string } {
  const input: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = given[name] ?? property.default;
    if (value === undefined) {
      if (schema.required.includes(name)) return { ok: false, problem: `${name} is required` };
      continue;
    }
    const problem = check(name, property, value);
    if (problem !== null) return { ok: false, problem };
    input[name] = value;
  }
  return { ok: true, input: { ...input, prompt: String(input["prompt"]) } };
}

function check(name: string, property: InputProperty, value: unknown): string | null {
  const { minimum = -Infinity, maximum = Infinity, minItems = 0, maxItems = Infinity } = property;
  const fits = (number: number) => number >= minimum && number <= maximum;
  switch (property.type) {
    case "string": {
      if (typeof value !== "string" || value === "") return `${name} must be a string`;
      if (property.enum && !property.enum.includes(value)) {
        return `${name} must be one of ${property.enum.join(", ")}`;
      }
      if (name === "size" && readSize(value)?.every(fits) !== true) {
        return `${name} must be W*H within ${minimum}–${maximum}`;
      }
      return null;
    }
    case "integer":
      return Number.isInteger(value) && fits(Number(value))
        ? null
        : `${name} must be an integer within ${minimum}–${maximum}`;
    case "number":
      return typeof value === "number" && fits(value)
        ? null
        : `${name} must be a number within ${minimum}–${maximum}`;
    case "boolean":
      return typeof value === "boolean" ? null : `${name} must be a boolean`;
    case "array":
      return Array.isArray(value) && value.length >= minItems && value.length <= maxItems
        ? null
        : `${name} must have ${minItems}–${maxItems} items`;
  }
}

/** Width and height of `W*H`; null if it is not that. */
export function readSize(text: string): [number, number] | null {
  const [, width, height] = /^([0-9]{2,5})\*([0-9]{2,5})$/.exec(text) ?? [];
  return width && height ? [Number(width), Number(height)] : null;
}

/** About a megapixel in the asked ratio, in steps of 16. */
export function sizeOfRatio(ratio: string): [number, number] {
  const [across = 1, down = 1] = ratio.split(":").map(Number);
  const unit = Math.sqrt((1024 * 1024) / (across * down));
  const side = (units: number) => Math.max(16, Math.round((unit * units) / 16) * 16);
  return [side(across), side(down)];
}
