// Turns what a user asked for into one model's input, from the provider data of its catalogue row.
// Models differ in names (image or images, size or aspect_ratio), so the differences are data.

import * as z from "zod";

const Scalar = z.union([z.string(), z.number(), z.boolean()]);

/** The jsonb column `provider` of the model catalogue, as stored. */
export const ProviderModel = z.strictObject({
  /** The provider's model id, slashes and all: `wavespeed-ai/flux-dev`. */
  path: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/),
  /** Aspect ratio → the inputs that ask for it: `{"1:1":{"size":"1024*1024"}}` or `{"1:1":{"aspect_ratio":"1:1"}}`. */
  ratios: z.record(z.string(), z.record(z.string(), Scalar)),
  /** Inputs that are the same in each request: `{"output_format":"jpeg"}`. */
  fixed: z.record(z.string(), Scalar).default({}),
  /** Where the number of pictures goes; null where the model makes one. */
  images_field: z.enum(["num_images", "max_images"]).nullable().default(null),
  /** Where reference images go, as one URL (`image`) or as a list (`images`); null where it takes none. */
  inputs_field: z.enum(["image", "images"]).nullable().default(null),
  seed_field: z.literal("seed").nullable().default(null),
});
export type ProviderModel = z.infer<typeof ProviderModel>;

export interface GenerationRequest {
  prompt: string;
  aspectRatio: string;
  numImages: number;
  /** Null leaves the choice to the provider. */
  seed: number | null;
  /** Reference images, readable by the provider without our credentials. */
  inputUrls: readonly string[];
}

/** The provider's limit; −1 would mean "random" and is never sent, since a random seed cannot be recognised. */
const maxSeed = 2_147_483_647;

/**
 * The JSON body of a submit. The catalogue has checked the request before; what it cannot express here is a fault
 * of the catalogue row and throws a RangeError that names the field and never a value.
 */
export function buildInput(model: ProviderModel, request: GenerationRequest): Record<string, unknown> {
  const ratio = Object.hasOwn(model.ratios, request.aspectRatio)
    ? model.ratios[request.aspectRatio]
    : undefined;
  if (ratio === undefined) throw new RangeError("aspectRatio is not offered by this model");
  const input: Record<string, unknown> = { ...model.fixed, ...ratio, prompt: request.prompt };

  if (!Number.isInteger(request.numImages) || request.numImages < 1) {
    throw new RangeError("numImages must be ≥ 1");
  }
  if (model.images_field !== null) input[model.images_field] = request.numImages;
  else if (request.numImages > 1) throw new RangeError("numImages must be 1 for this model");

  if (request.seed !== null && model.seed_field !== null) {
    if (!Number.isInteger(request.seed) || request.seed < 0 || request.seed > maxSeed) {
      throw new RangeError(`seed must be between 0 and ${maxSeed}`);
    }
    input[model.seed_field] = request.seed;
  }

  if (request.inputUrls.length > 0) {
    if (model.inputs_field === null) throw new RangeError("inputUrls are not taken by this model");
    if (model.inputs_field === "image" && request.inputUrls.length > 1) {
      throw new RangeError("inputUrls must be one for this model");
    }
    input[model.inputs_field] = model.inputs_field === "image"
      ? request.inputUrls[0]
      : [...request.inputUrls];
  }
  return input;
}
