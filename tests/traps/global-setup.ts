// One local stack for all files of this room.

import type { TestProject } from "vitest/node";
import { startStack } from "../../supabase/local/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the room's stack is; its data folder holds keys and logs. */
    trapsStack: {
      url: string;
      publishableKey: string;
      secretKey: string;
      databaseUrl: string;
      adminUrl: string;
      dataDirectory: string;
    };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await temporaryFolder();
  const stack = await startStack({ dataDirectory: folder.path, port: 0, cron: false });
  const { url, publishableKey, secretKey, databaseUrl, adminUrl } = stack;
  project.provide("trapsStack", {
    url,
    publishableKey,
    secretKey,
    databaseUrl,
    adminUrl,
    dataDirectory: folder.path,
  });
  return async () => {
    await stack.stop();
    await folder.remove();
  };
}
