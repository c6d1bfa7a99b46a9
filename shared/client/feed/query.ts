// What a feed asks for, and what of it can be decided without asking the backend.

import {
  canonicalJson,
  type GenerationImage,
  type GenerationJob,
  type GenerationStatus,
  type SearchRequest,
  searchWords,
} from "../../contract/mod.ts";
import type { GenerationRecord } from "../record.ts";

/** All that is named must hold; see the contract's SearchRequest. */
export interface FeedQuery extends Omit<SearchRequest, "after" | "limit"> {
  /** Generations that are asked for at a time, 1 to 100; 50 unless told otherwise. */
  pageSize?: number;
}

export function sameQuery(one: FeedQuery, other: FeedQuery): boolean {
  return canonicalJson(one) === canonicalJson(other);
}

/** Empty lists and words of white space are no filter: as a screen has them where nothing is chosen. */
export function searchRequestOf({ pageSize = 50, ...query }: FeedQuery): SearchRequest {
  const named = Object.entries(query).filter(([name, value]) =>
    value !== undefined && !(Array.isArray(value) && value.length === 0) &&
    !(name === "words" && searchWords(String(value)).length === 0)
  );
  return { ...Object.fromEntries(named), limit: pageSize };
}

interface Asked {
  status: GenerationStatus;
  modelId: string | undefined;
  aspectRatio: string | undefined;
}

/** True for what is in the feed; null where only the backend knows. `prompt` null: not known here. */
export function fits(
  query: FeedQuery,
  job: GenerationJob,
  images: readonly GenerationImage[],
  prompt: string | null,
): boolean | null {
  const shown = images.filter(({ deletedAt }) => deletedAt === null);
  if (!fitsAsked(query, job) || job.status === "completed" && shown.length === 0) return false;
  const { favorite, flagged } = query;
  const fitsImages = favorite === undefined && flagged === undefined ||
    shown.some((image) =>
      (favorite === undefined || image.favorite === favorite) &&
      (flagged === undefined || image.flagged === flagged)
    );
  return fitsImages && fitsWords(query, prompt);
}

/** A tap that is no job yet: shown where its job will be. What a retry leaves out is not known here. */
export function fitsTap(query: FeedQuery, { request }: GenerationRecord): boolean {
  if (request === null || query.favorite !== undefined || query.flagged !== undefined) return false;
  const { modelId, aspectRatio, prompt } = request;
  return fitsAsked(query, { status: "queued", modelId, aspectRatio }) &&
    fitsWords(query, prompt ?? null) === true;
}

function fitsAsked(
  { modelIds = [], aspectRatios = [], statuses = [] }: FeedQuery,
  { status, modelId, aspectRatio }: Asked,
): boolean {
  const isAmong = <Value>(values: readonly Value[], value: Value | undefined) =>
    values.length === 0 || value !== undefined && values.includes(value);
  return isAmong(modelIds, modelId) && isAmong(aspectRatios, aspectRatio) && isAmong(statuses, status);
}

function fitsWords({ words = "" }: FeedQuery, prompt: string | null): boolean | null {
  const wanted = searchWords(words);
  if (wanted.length === 0) return true;
  if (prompt === null) return null;
  const within = prompt.toLowerCase();
  return wanted.every((word) => within.includes(word.toLowerCase()));
}
