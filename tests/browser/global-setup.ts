// One Chromium for all files of this room.

import type { TestProject } from "vitest/node";
import { unpackChromium } from "./chromium.ts";

declare module "vitest" {
  interface ProvidedContext {
    chromiumPath: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const chromium = await unpackChromium();
  project.provide("chromiumPath", chromium.executablePath);
  return () => chromium.remove();
}
