// `npm run types`: writes shared/contract/database.types.ts anew from the migrations.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { migrate, preparePlatform, startCluster } from "../../supabase/local/postgres/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { generateTypes, typesFile } from "./database-types.ts";
import { project } from "./supabase-cli.ts";

const folder = await temporaryFolder();
try {
  const cluster = await startCluster({ dataDirectory: folder.path });
  try {
    await preparePlatform(cluster);
    await migrate(cluster, { directory: join(project, "supabase/migrations") });
    await writeFile(typesFile, await generateTypes(cluster.databaseUrl));
  } finally {
    await cluster.stop();
  }
} finally {
  await folder.remove();
}
