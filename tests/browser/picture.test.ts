// The README's script, bundled as an app is, in Chromium.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { build } from "vite";
import type { Browser } from "playwright-core";
import { type ControlledStack, startControlledStack } from "../flow/controlled-stack.ts";
import { launchChromium } from "./chromium.ts";

let stack: ControlledStack;
let browser: Browser;
const closing: (() => void)[] = [];
beforeAll(async () => {
  [stack, browser] = await Promise.all([startControlledStack(), launchChromium(inject("chromiumPath"))]);
});
afterAll(async () => {
  await browser?.close();
  for (const close of closing) close();
  await stack?.stop();
});

async function bundled(script: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      minify: false,
      lib: { entry: script, formats: ["es"] },
      rolldownOptions: { output: { codeSplitting: false } },
    },
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const [{ output: [chunk] } = { output: [] }] = [built].flat().filter((one) => "output" in one);
  if (!chunk) throw new TypeError("a script has one bundle");
  return chunk.code;
}

test("it makes a picture in a browser", async () => {
  const code = await bundled(resolve(import.meta.dirname, "../flow/picture.ts"));
  const page = await browser.newPage();
  const host = `<!doctype html><script type="module">import { makePicture } from "/script.js";
    const lines = [];
    document.title = await makePicture(${JSON.stringify(stack.url)}, ${
    JSON.stringify(stack.publishableKey)
  }, (line) => lines.push(line)).then(() => lines.join("|"), String);</script>`;
  // Of another origin than the stack's.
  const app = createServer(({ url }, answer) => {
    const isScript = url === "/script.js";
    answer.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    answer.end(isScript ? code : host);
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  closing.push(() => app.close());
  await page.goto(`http://127.0.0.1:${(app.address() as AddressInfo).port}/`);
  await page.waitForFunction(() => document.title !== "", null, { timeout: 30_000 });
  const said = await page.evaluate(() => document.title.split("|"));
  expect(said).toEqual(expect.arrayContaining([expect.stringMatching(/^completed/)]));
  expect(said.at(-1)).toMatch(/^image\/\w+, 199 credits left$/);
});
