// What a page of the feed is asked by. Apart from the answer, since an app's bundle needs only that.

import * as z from "zod";
import { generationStatuses } from "./generation.ts";
import { SearchCursor, searchWords } from "./search-answer.ts";
import { Text } from "./text.ts";

const maxWordsCharacters = 200;
const maxWords = 10;
const maxValues = 20;
const maxPageItems = 100;

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
