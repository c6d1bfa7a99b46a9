// The command line of `npm run generate`.

import { parseArgs } from "node:util";

export interface GenerateArguments {
  prompt: string;
  modelId: string;
  aspectRatio: string;
  numImages: number;
  seed: number | undefined;
  json: boolean;
  /** Another data folder than supabase/.local. */
  dataDirectory: string | undefined;
}

export const usage = `Usage: npm run generate -- "<prompt>" [options]

  --model <id>       which model (default flux-schnell)
  --aspect <ratio>   such as 16:9 (default 1:1)
  --images <n>       how many pictures (default 1)
  --seed <n>         the same seed and prompt give the same picture again
  --json             one JSON line per event
  --data <folder>    another stack's data (default supabase/.local)
  --help             this text`;

/** What the user should mend; exits with 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Null: the user asked for help. */
export function readArguments(argv: string[]): GenerateArguments | null {
  const { values, positionals } = parse(argv);
  if (values.help) return null;
  const prompt = positionals.join(" ").trim();
  if (prompt === "") {
    throw new UsageError(
      'The prompt is empty. Say what to draw: npm run generate -- "a red fox in the snow"',
    );
  }
  return {
    prompt,
    modelId: values.model,
    aspectRatio: values.aspect,
    numImages: readWhole("--images", values.images, 1) ?? 1,
    seed: readWhole("--seed", values.seed, 0),
    json: values.json,
    dataDirectory: values.data,
  };
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        model: { type: "string", default: "flux-schnell" },
        aspect: { type: "string", default: "1:1" },
        images: { type: "string" },
        seed: { type: "string" },
        data: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}

function readWhole(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) < least) {
    throw new UsageError(`${name} takes a whole number from ${least} on, not "${text}".`);
  }
  return Number(text);
}
