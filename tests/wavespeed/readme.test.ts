// The README's table of the stand-in's settings is the code's.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeTable } from "../../supabase/local/fake-wavespeed/table.ts";

const readme = readFileSync(join(import.meta.dirname, "../../supabase/local/README.md"), "utf8");

/** Without the blanks and dashes that a formatter puts in. */
function rowsOf(markdown: string): string[] {
  return markdown.split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "-")).join("|"));
}

test("the table of settings in the local stack's README is the one in the code", () => {
  const [, section = ""] = readme.split("## The stand-in provider's faults\n");
  const expected = rowsOf(writeTable());
  expect(rowsOf(section).slice(0, expected.length)).toEqual(expected);
});
