// What stands in the answer of each endpoint but submit and result. Null: it is not what was asked for.

import * as z from "zod";
import { isRecord } from "./envelope.ts";
import { type Prediction, readPrediction } from "./prediction.ts";

export interface Page {
  items: Prediction[];
  /** Entries that could not be read. A page with any proves no absence. */
  unreadable: number;
  total: number | null;
}

export interface ProviderCatalogueEntry {
  modelId: string;
  basePriceUsd: number | null;
  /** The model's own JSON schema of its input; null where the provider gives none. */
  requestSchema: Record<string, unknown> | null;
}

/** A number, or its text. Coercion would read null and "" as 0, and an empty account pauses everything. */
const Amount = z.union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/).transform(Number)]);

const RawPage = z.looseObject({ items: z.array(z.unknown()), total: z.number().optional().catch(undefined) });

export function readPage(data: unknown): Page | null {
  const raw = RawPage.safeParse(data);
  if (!raw.success) return null;
  const items = raw.data.items.map(readPrediction).filter((item) => item !== null);
  return { items, unreadable: raw.data.items.length - items.length, total: raw.data.total ?? null };
}

export function readDeletion(data: unknown): { status: string } | null {
  const read = z.looseObject({ status: z.string().max(64) }).safeParse(data);
  return read.success ? { status: read.data.status } : null;
}

export function readBalance(data: unknown): { balanceUsd: number } | null {
  const read = z.looseObject({ balance: Amount }).safeParse(data);
  return read.success ? { balanceUsd: read.data.balance } : null;
}

export function readUpload(data: unknown): { url: string } | null {
  const read = z.looseObject({ download_url: z.url() }).safeParse(data);
  return read.success ? { url: read.data.download_url } : null;
}

/** The shape is documented nowhere: a bare text, or one of two field names. */
export function readSecret(data: unknown): { secret: string } | null {
  const found = isRecord(data) ? data["secret"] ?? data["webhook_secret"] : data;
  return typeof found === "string" && found !== "" ? { secret: found } : null;
}

const RawModel = z.looseObject({
  model_id: z.string(),
  base_price: Amount.optional().catch(undefined),
  api_schema: z.looseObject({
    api_schemas: z.array(z.looseObject({ request_schema: z.record(z.string(), z.unknown()).optional() })),
  }).optional().catch(undefined),
});

export function readModels(data: unknown): ProviderCatalogueEntry[] | null {
  if (!Array.isArray(data)) return null;
  return data.flatMap((entry) => {
    const read = RawModel.safeParse(entry);
    if (!read.success) return [];
    const { model_id: modelId, base_price: basePriceUsd = null, api_schema: schema } = read.data;
    return [{ modelId, basePriceUsd, requestSchema: schema?.api_schemas[0]?.request_schema ?? null }];
  });
}
