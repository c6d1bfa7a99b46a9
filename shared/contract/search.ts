// The profile's feed: a page of generations, filtered, ordered and searched by one call,
// `rpc("search_generations", request)`. The request is the call's whole body, so that no words stand in a URL.

import * as z from "zod";
import { GenerationImage, GenerationJob, generationStatuses } from "./generation.ts";
import { Text } from "./text.ts";

const maxWordsCharacters = 200;
const maxWords = 10;
const maxValues = 20;
const maxPageItems = 100;

/** What a search is split into: the words between white space. Each must occur in a prompt, in any case. */
export function searchWords(words: string): string[] {
  return words.split(/\s+/).filter((word) => word !== "");
}

/** Where a page ended: the place of a generation, not of a page, so that it holds while others come and go. */
export const SearchCursor = z.strictObject({
  /** As the server wrote it: a Date would round its microseconds away. */
  createdAt: z.iso.datetime({ offset: true }),
  id: z.uuid(),
});
export type SearchCursor = z.infer<typeof SearchCursor>;

/**
 * All that is named must hold. Unknown fields, nulls and empty lists are refused with PT400 (hint `invalid_request`),
 * which names the field and never repeats what it held.
 */
export const SearchRequest = z.strictObject({
  /**
   * Every word must occur somewhere in the prompt, whatever its case; `%` and `_` are plain characters, accents count.
   * Text of white space alone is no search.
   */
  words: Text.max(maxWordsCharacters)
    .refine((words) => searchWords(words).length <= maxWords, `must be ${maxWords} words or fewer`)
    .optional(),
  modelIds: z.array(Text.min(1).max(100)).min(1).max(maxValues).optional(),
  aspectRatios: z.array(Text.min(1).max(10)).min(1).max(maxValues).optional(),
  statuses: z.array(z.enum(generationStatuses)).min(1).max(maxValues).optional(),
  /** Generations with at least one picture that is (not) a favorite; with `flagged`, one picture for both. */
  favorite: z.boolean().optional(),
  /** Generations with at least one picture that is (not) flagged. */
  flagged: z.boolean().optional(),
  /** By the time of the tap; `newest` unless told otherwise. */
  sort: z.enum(["newest", "oldest"]).optional(),
  /** The last page's `next`; left out for the first page. */
  after: SearchCursor.optional(),
  /** Generations a page at most; 50 unless told otherwise. */
  limit: z.number().int().min(1).max(maxPageItems).optional(),
});
export type SearchRequest = z.infer<typeof SearchRequest>;

/** One generation. A completed one whose pictures are all deleted is none any more. */
export const SearchItem = z.object({
  job: GenerationJob,
  /** By index, without deleted ones: all of them, not only those that a filter asked for. */
  images: z.array(GenerationImage),
});
export type SearchItem = z.infer<typeof SearchItem>;

export const SearchAnswer = z.object({
  items: z.array(SearchItem),
  /**
   * Null at the end. Otherwise ask on with it as `after`, even if fewer came than asked for or none at all: a call looks
   * at 2,000 generations, fitting or not, and says how far it got. A full page's `next` may lead to an empty last page.
   */
  next: SearchCursor.nullable(),
  /** The user's change number that these rows are as of: changes with a higher one are not in them. */
  seq: z.number().int().nonnegative(),
});
export type SearchAnswer = z.infer<typeof SearchAnswer>;
