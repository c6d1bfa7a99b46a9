// Text that the database can keep.

import * as z from "zod";

/** A NUL or half a surrogate pair fits no jsonb, and the database would print the words around it into its log. */
function isStorable(text: string): boolean {
  return !text.includes("\0") && !/[\ud800-\udfff]/u.test(text);
}
export const Text = z.string().refine(isStorable, "must be well-formed text without NUL");
