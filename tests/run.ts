// `npm test`: types, format, lint, then every room of tests. Ends with one line: N passed, N failed.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import * as z from "zod";
import { temporaryFolder } from "./temporary-folder.ts";

const project = resolve(import.meta.dirname, "..");
const bin = join(project, "node_modules/.bin");
const checks: [name: string, command: string, args: string[]][] = [
  ["types", "tsc", ["--noEmit"]],
  ["format", "deno", ["fmt", "--check", "--quiet"]],
  ["lint", "deno", ["lint", "--quiet"]],
];

/** The gate runs these by commands of their own: they need more than `npm ci`. */
const roomsApart = ["cli", "pg-cron"];

const Summary = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numFailedTestSuites: z.number(),
  numPendingTests: z.number(),
  success: z.boolean(),
});

function run(command: string, args: string[]): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn(join(bin, command), args, {
      cwd: project,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` },
    });
    child.on("error", fail);
    child.on("close", (code) => done(code ?? 1));
  });
}

const folder = await temporaryFolder();
const asked = process.argv.slice(2);
let passed = 0;
let failed = 0;
let skipped = 0;
try {
  for (const [name, command, args] of asked.length === 0 ? checks : []) {
    const ok = await run(command, args) === 0;
    console.log(`${ok ? "✓" : "✗"} ${name}`);
    if (ok) passed++;
    else failed++;
  }
  const outputFile = join(folder.path, "vitest.json");
  const code = await run("vitest", [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${outputFile}`,
    ...asked.length === 0 ? roomsApart.flatMap((room) => ["--project", `!${room}`]) : asked,
  ]);
  const summary = Summary.parse(JSON.parse(await readFile(outputFile, "utf8")));
  passed += summary.numPassedTests;
  skipped += summary.numPendingTests;
  // A file that breaks outside its tests, or a leaked error, fails the run without a failed test.
  failed += summary.numFailedTests === 0 && code !== 0 ? 1 : summary.numFailedTests;
} finally {
  await folder.remove();
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed === 0 ? 0 : 1;
