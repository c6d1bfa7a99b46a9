// The README's script, the very lines, where apps run.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { denoBinary } from "../../supabase/local/functions/deno.ts";
import { sharedStack } from "./app.ts";
import { makePicture } from "./picture.ts";

const root = resolve(import.meta.dirname, "../..");
const script = join(import.meta.dirname, "picture.ts");

test("the script is forty lines, and the README's", () => {
  const lines = readFileSync(script, "utf8");
  expect(lines.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
  const [, body = ""] = lines.split(/(?=\nexport async function)/);
  expect(readFileSync(join(root, "README.md"), "utf8")).toContain(body.trim());
});

test("it makes a picture in Node", async () => {
  const { url, publishableKey } = sharedStack();
  const said: string[] = [];
  const picture = await makePicture(url, publishableKey, (line) => said.push(line));
  expect(picture.size).toBeGreaterThan(100);
  expect(said).toEqual(expect.arrayContaining([expect.stringMatching(/^completed/)]));
  expect(said.at(-1)).toMatch(/^image\/\w+, 199 credits left$/);
});

test("it makes a picture in Deno", async () => {
  const { url, publishableKey } = sharedStack();
  const code = `import { makePicture } from ${JSON.stringify(script)};
    await makePicture(${JSON.stringify(url)}, ${
    JSON.stringify(publishableKey)
  }, (line) => console.log(line));`;
  const said = await deno(["eval", "--quiet", "--node-modules-dir=manual", code]);
  expect(said.trim().split("\n").at(-1)).toMatch(/^image\/\w+, 199 credits left$/);
});

/** What it has said, once it has ended well. */
async function deno(args: string[]): Promise<string> {
  const child = spawn(denoBinary(), args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let [said, complained] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => said += text);
  child.stderr.setEncoding("utf8").on("data", (text) => complained += text);
  const code = await new Promise((ended) => child.once("close", ended));
  expect(code, complained).toBe(0);
  return said;
}
