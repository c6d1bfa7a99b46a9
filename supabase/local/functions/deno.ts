// Where the Deno program is, and the arguments that make one process serve one function.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

/** The program itself: node_modules/.bin/deno is a Node script that would be a second process between us and it. */
export function denoBinary(): string {
  const libc = process.platform === "linux" ? "-glibc" : "";
  const name = `@deno/${process.platform}-${process.arch}${libc}`;
  const inDeno = createRequire(require.resolve("deno/package.json"));
  return join(
    dirname(inDeno.resolve(`${name}/package.json`)),
    process.platform === "win32" ? "deno.exe" : "deno",
  );
}

export function denoArguments(functionDirectory: string): string[] {
  const config = ["deno.json", "deno.jsonc", "../deno.json"]
    .map((name) => join(functionDirectory, name)).find((file) => existsSync(file));
  return [
    "run",
    // Hosted allows the network and the environment, no subprocess and no file outside /tmp.
    "--allow-net",
    "--allow-env",
    "--allow-read",
    "--allow-sys",
    "--no-prompt",
    "--no-check",
    "--no-lock", // else a deno.lock appears in the function's folder
    "--no-remote", // npm: specifiers come from node_modules; nothing is fetched
    "--cached-only",
    "--node-modules-dir=manual",
    ...(config ? ["--config", config] : []),
    join(import.meta.dirname, "boot.ts"),
    join(functionDirectory, "index.ts"),
  ];
}
