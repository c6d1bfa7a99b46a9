// Checks a submit's input against the model's schema, and reads sizes out of it.

import { type FakeModel, type InputProperty, schemaOf } from "./catalogue.ts";

export type ResolvedInput = Record<string, unknown> & { prompt: string };

export type Resolution =
  | { ok: true; input: ResolvedInput }
  /** 1400: a required input is missing. 1401: one has a value that it may not have. */
  | { ok: false; code: 1400 | 1401; problem: string };

/** The input with defaults filled in, and unknown keys dropped or refused; or what is wrong with it. */
export function resolveInput(
  model: FakeModel,
  given: Record<string, unknown>,
  { unknownKeys, commonFlags }: { unknownKeys: "drop" | "reject"; commonFlags: boolean } = {
    unknownKeys: "drop",
    commonFlags: true,
  },
): Resolution {
  const { properties, required } = schemaOf(model, commonFlags);
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(properties, name));
  if (unknown !== undefined && unknownKeys === "reject") {
    return { ok: false, code: 1401, problem: `${unknown} is not an input of this model` };
  }
  const input: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(properties)) {
    const value = given[name] ?? property.default;
    if (value === undefined) {
      if (required.includes(name)) return { ok: false, code: 1400, problem: `${name} is required` };
      continue;
    }
    const problem = check(name, property, value);
    if (problem !== null) return { ok: false, code: 1401, problem };
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
      if (!Array.isArray(value) || value.length < minItems || value.length > maxItems) {
        return `${name} must have ${minItems}–${maxItems} items`;
      }
      return value.every((item) => typeof item === "string") ? null : `${name} must hold strings`;
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
