// Chromium as package.json brings it: unpacked once a machine, without a window and without a network of its own.

import chromium from "@sparticuz/chromium";
import { type Browser, chromium as playwright } from "playwright-core";

export async function launchChromium(): Promise<Browser> {
  return await playwright.launch({
    executablePath: await chromium.executablePath(),
    // Its own list is for a cloud function: one process, no sharing of memory.
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
    headless: true,
  });
}
