// The project's own files, found by walking: what .gitignore names is left out, and git itself is not needed.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, matchesGlob, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

export function readText(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

export function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readText(path)) as Record<string, unknown>;
}

/** Paths from the root, with forward slashes. */
export function sourceFiles(): string[] {
  const ignored = readText(".gitignore").split("\n").map((line) => line.trim()).filter((line) =>
    line && !line.startsWith("#")
  );
  const isIgnored = (path: string, isDirectory: boolean) =>
    ignored.some((line) => {
      if (line.endsWith("/") && !isDirectory) return false;
      const pattern = line.replace(/^\/|\/$/g, "");
      return matchesGlob(path, pattern) || (!pattern.includes("/") && matchesGlob(path, `**/${pattern}`));
    });
  const files: string[] = [];
  const walk = (directory: string) => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const absolute = join(directory, entry.name);
      const path = relative(root, absolute).replaceAll(sep, "/");
      if (path === ".git" || isIgnored(path, entry.isDirectory())) continue;
      if (entry.isDirectory()) walk(absolute);
      else if (entry.isFile()) files.push(path);
    }
  };
  walk(root);
  return files.sort();
}

/** The files that hold text. */
export function textFiles(): { path: string; text: string }[] {
  return sourceFiles()
    .map((path) => ({ path, bytes: readFileSync(join(root, path)) }))
    .filter(({ bytes }) => !bytes.subarray(0, 8000).includes(0))
    .map(({ path, bytes }) => ({ path, text: bytes.toString("utf8") }));
}

/** The functions: folders of supabase/functions that are not shared code. */
export function functionNames(): string[] {
  return readdirSync(join(root, "supabase/functions"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("_"))
    .map((entry) => entry.name)
    .filter((name) => existsSync(join(root, "supabase/functions", name, "index.ts")))
    .sort();
}
