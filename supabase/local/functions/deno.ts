// Where the Deno program is, and the arguments that make one process serve one function.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { WorkerLimits } from "./limits.ts";

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

// Mail ports are closed on hosted. Deno knows address ranges for IPv4 only, so of IPv6 this covers the machine itself.
const CLOSED_PORTS = [25, 587];
const closed = CLOSED_PORTS.flatMap((port) => [`0.0.0.0/0:${port}`, `[::1]:${port}`]);

export function denoArguments(
  functionDirectory: string,
  { memoryBytes, workerPolicy }: Pick<WorkerLimits, "memoryBytes" | "workerPolicy">,
): string[] {
  const config = ["deno.json", "deno.jsonc", "../deno.json"]
    .map((name) => join(functionDirectory, name)).find((file) => existsSync(file));
  return [
    "run",
    `--v8-flags=--max-old-space-size=${Math.ceil(memoryBytes / 2 ** 20)}`,
    // Hosted allows the network and the environment, no subprocess, no native module and no file outside /tmp.
    "--allow-net",
    `--deny-net=${closed.join(",")}`,
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
    workerPolicy,
  ];
}
