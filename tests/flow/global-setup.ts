// The stack that the flow tests talk to: the one that the environment names, else a fresh local one.

import type { TestProject } from "vitest/node";
import { startStack } from "../../supabase/local/mod.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { checkAftermath } from "./aftermath.ts";
import type { Target } from "./users.ts";
import { workerLimits } from "./worker-limits.ts";

declare module "vitest" {
  interface ProvidedContext {
    stackUrl: string;
    publishableKey: string;
    secretKey: string;
    /** A project that runs already, perhaps with a real provider. */
    external: boolean;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { GENFLOW_URL, GENFLOW_PUBLISHABLE_KEY, GENFLOW_SECRET_KEY } = process.env;
  if (GENFLOW_URL && GENFLOW_PUBLISHABLE_KEY && GENFLOW_SECRET_KEY) {
    provide(project, {
      url: GENFLOW_URL,
      publishableKey: GENFLOW_PUBLISHABLE_KEY,
      secretKey: GENFLOW_SECRET_KEY,
      external: true,
    });
    return () => Promise.resolve();
  }
  const folder = await temporaryFolder();
  const stack = await startStack({ dataDirectory: folder.path, port: 0, workerLimits: workerLimits() });
  provide(project, { ...stack, external: false });
  return async () => {
    await stack.stop();
    await checkAftermath(folder.path).finally(() => folder.remove());
  };
}

function provide(project: TestProject, stack: Target): void {
  project.provide("stackUrl", stack.url);
  project.provide("publishableKey", stack.publishableKey);
  project.provide("secretKey", stack.secretKey);
  project.provide("external", stack.external);
}
