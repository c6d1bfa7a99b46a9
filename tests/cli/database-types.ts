// The types of the API's schema, as the official CLI writes them.

import { join } from "node:path";
import { project, remote, supabase } from "./supabase-cli.ts";

export const typesFile = join(project, "shared/contract/database.types.ts");

export async function generateTypes(databaseUrl: string): Promise<string> {
  const { stdout } = await supabase([
    "gen",
    "types",
    "--lang",
    "typescript",
    "--schema",
    "public",
    remote(databaseUrl),
  ]);
  return stdout;
}
