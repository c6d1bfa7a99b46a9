// The catalogue as apps read it: what may be asked of which model, and at what price.

import * as z from "zod";

export const GenerationModel = z.object({
  id: z.string(),
  label: z.string(),
  description: z.string(),
  aspectRatios: z.array(z.string()),
  maxImages: z.number().int().positive(),
  minInputs: z.number().int().nonnegative(),
  maxInputs: z.number().int().nonnegative(),
  creditsPerImage: z.number().int().positive(),
  /** Typical seconds from submit to result. */
  expectedSeconds: z.number().int().positive(),
  maxPromptCharacters: z.number().int().positive(),
});
export type GenerationModel = z.infer<typeof GenerationModel>;
