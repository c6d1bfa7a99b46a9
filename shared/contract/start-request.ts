// POST start-generation: what is asked. Apart from the answer, since an app's bundle needs only that.

import * as z from "zod";
import { Text } from "./text.ts";

/** Larger bodies are refused: pictures go to Storage, never through here. */
export const maxStartBytes = 64 * 1024;
/** One per tap. */
export const IdempotencyKey = z.uuid();

const maxPromptCharacters = 10_000;
const maxInputs = 14;
const maxSeed = 2_147_483_647;

const Fields = z.strictObject({
  modelId: Text.min(1).max(100).optional(),
  prompt: Text.max(maxPromptCharacters).optional(),
  aspectRatio: Text.min(1).max(10).optional(),
  numImages: z.number().int().min(1).max(15).optional(),
  seed: z.number().int().min(0).max(maxSeed).optional(),
  /** Object names in the bucket `generation-inputs`, beginning with the user's id. */
  inputPaths: z.array(Text.min(1).max(1024)).max(maxInputs).optional(),
  /** An ended job of the caller that this one tries again: its request is copied, under what is sent here. */
  retryOf: z.uuid().optional(),
});

/** Needed unless an ended job is tried again: then what is not sent is as it was. */
function needed(name: "modelId" | "prompt" | "aspectRatio") {
  return {
    check: (request: z.infer<typeof Fields>) => request.retryOf !== undefined || request[name] !== undefined,
    told: {
      path: [name],
      error: "is needed without retryOf",
      // Named together with what else is wrong, not only once the rest is right.
      when: ({ value }: { value: unknown }) => typeof value === "object" && value !== null,
    },
  };
}
const [model, prompt, ratio] = [needed("modelId"), needed("prompt"), needed("aspectRatio")];

/**
 * Which values a model allows is the catalogue's matter; this is only the shape. Unknown fields are refused, and
 * `modelId`, `prompt` and `aspectRatio` are needed unless `retryOf` is there.
 */
export const StartRequest = Fields
  .refine(model.check, model.told)
  .refine(prompt.check, prompt.told)
  .refine(ratio.check, ratio.told);
export type StartRequest = z.infer<typeof StartRequest>;
