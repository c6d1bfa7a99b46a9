// `npm run attack:table`: writes allowed.md from what the migrations allow now. Read the difference before it is kept.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTemplate, startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { allowedFile } from "./allowed.ts";
import { attackDatabase } from "./table.ts";

const directory = join(import.meta.dirname, "../../supabase/migrations");
const folder = await temporaryFolder();
const cluster = await startCluster({ dataDirectory: folder.path });
try {
  await createTemplate(cluster, { directory, name: "attack" });
  const lines = await attackDatabase(cluster.url("supabase_admin", "attack"));
  await writeFile(allowedFile, `${lines.join("\n")}\n`);
} finally {
  await cluster.stop();
  await folder.remove();
}
