// The profile's feed: a page of generations, filtered, ordered and searched by one call,
// `rpc("search_generations", request)`. The request is the call's whole body, so that no words stand in a URL.

import * as z from "zod";
import { GenerationImage, GenerationJob } from "./generation.ts";

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
