// Rows as the data API gives them (snake case), turned into what the wire carries everywhere else.

import type * as z from "zod";
import { GenerationImage, GenerationJob } from "./generation.ts";

function toSnake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What to select so that the data API's rows are of this schema. */
export function columnsOf(schema: z.ZodObject): string {
  return Object.keys(schema.shape).map((name) => `${name}:${toSnake(name)}`).join();
}

function fromRow<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>, row: Record<string, unknown>) {
  return schema.parse(
    Object.fromEntries(Object.keys(schema.shape).map((name) => [name, row[toSnake(name)]])),
  );
}

/** Throws a ZodError if the row is not one of `generation_jobs`. */
export function jobFromRow(row: Record<string, unknown>): GenerationJob {
  return fromRow(GenerationJob, row);
}

/** Throws a ZodError if the row is not one of `generation_images`. */
export function imageFromRow(row: Record<string, unknown>): GenerationImage {
  return fromRow(GenerationImage, row);
}
