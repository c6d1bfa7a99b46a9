// Which functions there are, and what supabase/config.toml says of each.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface FunctionEntry {
  name: string;
  directory: string;
  /** Hosted's default is true; our functions check credentials in code and say `verify_jwt = false`. */
  verifyJwt: boolean;
}

// Folders of shared code start with an underscore and are not functions.
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/** Read at each call: a function added while the stack runs is there at the next request. */
export function findFunction(
  directory: string,
  configFile: string | null,
  name: string,
): FunctionEntry | null {
  if (!NAME.test(name) || !existsSync(join(directory, name, "index.ts"))) {
    return null;
  }
  const settings = configFile ? functionSettings(configFile).get(name) : undefined;
  if (settings?.enabled === false) return null;
  return { name, directory: join(directory, name), verifyJwt: settings?.verify_jwt ?? true };
}

export function functionNames(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) =>
      entry.isDirectory() && NAME.test(entry.name) && existsSync(join(directory, entry.name, "index.ts"))
    )
    .map((entry) => entry.name)
    .sort();
}

/** The true/false settings of the `[functions.<name>]` tables: all that the host needs of the file. */
function functionSettings(configFile: string): Map<string, Record<string, boolean>> {
  const tables = new Map<string, Record<string, boolean>>();
  if (!existsSync(configFile)) return tables;
  let table: Record<string, boolean> | null = null;
  for (const line of readFileSync(configFile, "utf8").split("\n")) {
    const [, header] = line.match(/^\s*\[([^\]]+)\]/) ?? [];
    if (header !== undefined) {
      const [, name] = header.match(/^functions\.["']?([^"']+)["']?$/) ?? [];
      table = name === undefined ? null : {};
      if (name !== undefined && table) tables.set(name, table);
      continue;
    }
    const [, key, value] = line.match(/^\s*(\w+)\s*=\s*(true|false)\b/) ?? [];
    if (table && key !== undefined) table[key] = value === "true";
  }
  return tables;
}
