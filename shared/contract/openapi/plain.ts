// JSON schemas in the words that generators for Swift and Kotlin know: nothing closed, nothing either-or.

import { z } from "zod";

/** JSON Schema as OpenAPI 3.1 takes it; only what is needed of it here. */
export interface PlainSchema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  format?: string;
  properties?: Record<string, PlainSchema>;
  required?: string[];
  items?: PlainSchema;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  /** What this version knows; a later one may name others, so that a client must not fail at them. */
  "x-known-values"?: string[];
}

interface ZodSchema extends Omit<PlainSchema, "properties" | "items"> {
  anyOf?: ZodSchema[];
  enum?: string[];
  properties?: Record<string, ZodSchema>;
  items?: ZodSchema;
}

const kept = [
  "$ref",
  "type",
  "description",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "required",
] as const;

/** Each of them under its name, with references to each other. */
export function plainSchemas(schemas: Record<string, z.ZodType>): Record<string, PlainSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const made = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
    // What is sent: an answer with more in it is one of a later server, and no error.
    io: "input",
    // A JSON column, and what else has no schema.
    unrepresentable: "any",
  }).schemas as Record<string, ZodSchema>;
  const named = (ref: string) => made[ref.slice(ref.lastIndexOf("/") + 1)]!;
  return Object.fromEntries(Object.keys(schemas).map((id) => [id, plain(made[id]!, named)]));
}

function plain(schema: ZodSchema, named: (ref: string) => ZodSchema): PlainSchema {
  if (schema.anyOf) return oneOf(schema.anyOf, named);
  // A number or a string, by another field's word.
  if (Array.isArray(schema.type)) return {};
  const made: PlainSchema = {};
  for (const name of kept) if (schema[name] !== undefined) Object.assign(made, { [name]: schema[name] });
  // A date-time stays a string: its microseconds, which a cursor needs, would be rounded away by a Date.
  if (schema.format === "uuid") made.format = "uuid";
  if (schema.format === "date-time") made.description ??= "ISO 8601 with an offset, in microseconds.";
  if (schema.type === "integer") Object.assign(made, { format: "int64", ...bounds(schema) });
  if (schema.enum) {
    made.type = "string";
    made.description = `One of ${schema.enum.join(", ")}, or a later word that this version does not know.`;
    made["x-known-values"] = schema.enum;
  }
  if (schema.items) made.items = plain(schema.items, named);
  if (schema.properties) {
    made.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, property]) => [name, plain(property, named)]),
    );
  }
  return made;
}

/** Something or null is one type that may be null, in place and not by reference; anything else is any value. */
function oneOf(choices: ZodSchema[], named: (ref: string) => ZodSchema): PlainSchema {
  const others = choices.filter(({ type }) => type !== "null");
  const [only] = others;
  if (!only || others.length > 1) return {};
  const made = plain(only.$ref ? named(only.$ref) : only, named);
  if (others.length === choices.length || typeof made.type !== "string") return made;
  return { ...made, type: [made.type, "null"] };
}

/** Those that zod adds by itself, of what a JavaScript number can hold, are nobody's limit. */
function bounds({ minimum, maximum }: ZodSchema): Pick<PlainSchema, "minimum" | "maximum"> {
  return {
    ...(minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER && { minimum }),
    ...(maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER && { maximum }),
  };
}
