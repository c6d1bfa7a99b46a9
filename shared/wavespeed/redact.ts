// Takes what must not be logged out of a text that the provider wrote: the key, the prompt, also quoted in part,
// and what follows the path in a URL (outputs and callbacks carry tokens there).

const maxLength = 200;
/** A shared run this long is a quotation, not a coincidence; short words such as "size" stay readable. */
const quotationLength = 8;
const mark = "[redacted]";

export function redact(text: string, secrets: readonly string[]): string {
  let clean = text.slice(0, 4096).replace(/(https?:\/\/[^\s"'<>?#]*)[?#][^\s"'<>]*/gi, `$1?${mark}`);
  for (const secret of secrets) clean = removeQuotations(clean, secret);
  // deno-lint-ignore no-control-regex
  return clean.replace(/[\u0000-\u001f\u007f]+/g, " ").trim().slice(0, maxLength);
}

function removeQuotations(text: string, secret: string): string {
  const hidden = secret.trim().toLowerCase();
  if (hidden === "") return text;
  const run = Math.min(quotationLength, hidden.length);
  const lower = text.toLowerCase();
  // A few letters whose lower case has another length would shift every index: then say nothing at all.
  if (lower.length !== text.length) return mark;
  let clean = "";
  let index = 0;
  while (index < text.length) {
    let length = run;
    if (index + run > text.length || !hidden.includes(lower.slice(index, index + run))) length = 0;
    else {while (index + length < text.length && hidden.includes(lower.slice(index, index + length + 1))) {
        length++;
      }}
    clean += length === 0 ? text[index] : mark;
    index += Math.max(length, 1);
  }
  return clean;
}
