// The allow-list that the attack is held against, and how a database that differs is told.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

export const allowedFile = join(import.meta.dirname, "allowed.md");

export async function readAllowed(): Promise<string[]> {
  return (await readFile(allowedFile, "utf8")).trimEnd().split("\n");
}

/** A line's cells by its first one. */
export function cellsOf(lines: string[], what: string): string[] {
  const line = lines.find((each) => each.startsWith(`| ${what} |`));
  if (line === undefined) throw new Error(`allowed.md has no line for ${what}`);
  return line.split("|").slice(2, -1).map((cell) => cell.trim());
}

/** The first cells of the table under a heading. */
export function linesOf(lines: string[], heading: string): string[] {
  const start = lines.indexOf(`## ${heading}`);
  if (start < 0) throw new Error(`allowed.md has no ${heading}`);
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith("## "));
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length)
    .filter((line) => line.startsWith("| ")).slice(2).map((line) => line.split(" | ")[0]!.slice(2));
}

/** Lines that are only in one of the two, the found ones first. */
export function differences(found: string[], allowed: string[]): string[] {
  const [known, seen] = [new Set(allowed), new Set(found)];
  return [
    ...found.filter((line) => !known.has(line)).map((line) => `found:   ${line}`),
    ...allowed.filter((line) => !seen.has(line)).map((line) => `allowed: ${line}`),
  ];
}
