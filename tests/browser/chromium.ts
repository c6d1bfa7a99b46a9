// Chromium as package.json brings it, packed: unpacked into a folder of its own, since the package's own place for it is
// the machine's and belongs to whoever came first.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { temporaryFolder } from "../temporary-folder.ts";

export interface Unpacked {
  executablePath: string;
  remove(): Promise<void>;
}

/** Takes two seconds and 200 MB. */
export async function unpackChromium(): Promise<Unpacked> {
  const folder = await temporaryFolder();
  const code = 'import chromium from "@sparticuz/chromium"; console.log(await chromium.executablePath());';
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: import.meta.dirname,
    env: { ...process.env, TMPDIR: folder.path },
  });
  return { executablePath: stdout.trim(), remove: () => folder.remove() };
}

/** Without a window. */
export async function launchChromium(executablePath: string): Promise<Browser> {
  return await chromium.launch({
    executablePath,
    // The package's own list is for a cloud function: one process, no sharing of memory.
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
    headless: true,
  });
}
