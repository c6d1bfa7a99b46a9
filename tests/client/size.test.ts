// What an app's bundle grows by, besides supabase-js, zod and React.

import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { build } from "vite";

const client = resolve(import.meta.dirname, "../../shared/client");
const entry = "\0entry";
/** By the first picture that is uploaded. */
const loadedLater = /\/uploads\/mod\.ts$/;

/** What a bundler makes of `code`: bytes of gzip, and what it still imports. */
async function bundled(code: string): Promise<{ bytes: number; imports: string[] }> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    plugins: [{
      name: "entry",
      resolveId: (id) => id === entry ? id : null,
      load: (id) => id === entry ? code : null,
    }],
    build: {
      write: false,
      // Without Vite's own helpers for browsers.
      ssr: true,
      minify: true,
      rolldownOptions: { input: entry, external: [/^@supabase\//, "zod", /^react/, loadedLater] },
    },
  });
  if (!("output" in built)) throw new TypeError("one build");
  const [chunk] = built.output;
  return { bytes: gzipSync(chunk.code, { level: 9 }).length, imports: chunk.imports };
}

test("the service is 15 KiB of gzip, and needs zod alone besides the client it is given", async () => {
  const { bytes, imports } = await bundled(`export { createGenerationService } from "${client}/mod.ts";`);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThanOrEqual(15 * 1024);
  expect(imports).toEqual(["zod"]);
});

test("what is not used is left out", async () => {
  const { bytes, imports } = await bundled(`export { cacheKey } from "${client}/mod.ts";`);
  expect(bytes).toBeLessThan(200);
  expect(imports).toEqual([]);
});
