// Rows as the data API gives them: the contract's shapes in snake case.

import { z } from "zod";

/** The same fields in snake case. */
export function rowOf(schema: z.ZodObject, more: z.ZodRawShape = {}): z.ZodObject {
  const toSnake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const shape = Object.fromEntries(Object.entries(schema.shape).map(([name, type]) => [toSnake(name), type]));
  return z.object({ ...shape, ...more });
}
