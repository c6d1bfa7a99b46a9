// The kinds of settings that a test may change, and what each one tells of itself for the table in the README.

import * as z from "zod";

export interface SettingRow {
  initial: unknown;
  values: string;
  what: string;
  /** Where the provider's sources disagree or are silent; empty for a plain fault. */
  doubt: string;
}

export function custom<Schema extends z.ZodType>(
  schema: Schema,
  initial: z.infer<Schema>,
  values: string,
  what: string,
  doubt = "",
): Schema {
  const row: SettingRow = { initial, values, what, doubt };
  return schema.meta({ ...row });
}

/** The first is what holds until it is changed. */
export function oneOf<const Options extends readonly [string, ...string[]]>(
  options: Options,
  what: string,
  doubt = "",
) {
  const [initial, ...others] = options;
  const values = [`**${initial}**`, ...others].join(", ");
  return z.enum(options).meta({ initial, values, what, doubt });
}

export function flag(initial: boolean, what: string, doubt = "") {
  return custom(z.boolean(), initial, initial ? "**true**, false" : "**false**, true", what, doubt);
}

/** false: never, true: always, n: the next n times. */
export const Times = z.union([z.boolean(), z.number().int().nonnegative()]);

export function times(what: string, doubt = "") {
  return custom(Times, false, "**false**, true, next _n_", what, doubt);
}

export function whole(initial: number, what: string, doubt = "", least = 0) {
  return custom(z.number().int().min(least), initial, `**${initial}**`, what, doubt);
}

/** A limit that can be taken away. */
export function limit(initial: number | null, what: string, doubt = "") {
  const schema = z.number().int().positive().nullable();
  return custom(schema, initial, initial === null ? "**null**, _n_" : `**${initial}**, null`, what, doubt);
}

export function text(initial: string, what: string, doubt = "") {
  return custom(z.string().min(1).max(64), initial, `**${initial}**, any word`, what, doubt);
}

export function rowOf(schema: z.ZodType): SettingRow {
  const Row = z.object({ initial: z.unknown(), values: z.string(), what: z.string(), doubt: z.string() });
  return Row.parse(schema.meta());
}
