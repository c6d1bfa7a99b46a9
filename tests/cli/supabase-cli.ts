// The official CLI as package.json brings it, with a home of its own: it sees nothing of the user's and leaves nothing.

import { execFile } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { temporaryFolder } from "../temporary-folder.ts";

export const project = resolve(import.meta.dirname, "../..");
const program = join(project, "node_modules/.bin/supabase");

export interface CliAnswer {
  code: number;
  stdout: string;
  stderr: string;
  /** What it says and then goes on: unknown keys in config.toml, files it could not bundle. Its exit code stays 0. */
  warnings: string[];
}

export async function runSupabase(
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<CliAnswer> {
  const home = await temporaryFolder();
  const env = {
    // Not the user's environment: a SUPABASE_… variable or a login of theirs would change what is tested.
    PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    HOME: home.path,
    NO_COLOR: "1",
    SUPABASE_TELEMETRY_DISABLED: "1",
    DO_NOT_TRACK: "1",
    ...options.env,
  };
  try {
    return await new Promise((done) => {
      const child = execFile(
        program,
        args,
        { cwd: options.cwd ?? project, env, maxBuffer: 2 ** 26 },
        (_error, stdout, stderr) => {
          const warnings = `${stdout}\n${stderr}`.split("\n").filter((line) => line.startsWith("WARN:"));
          done({ code: child.exitCode ?? -1, stdout, stderr, warnings });
        },
      );
    });
  } finally {
    await home.remove();
  }
}

/** Throws when it failed or warned; answers what it printed. */
export async function supabase(
  args: string[],
  options?: Parameters<typeof runSupabase>[1],
): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr, warnings } = await runSupabase(args, options);
  if (code !== 0 || warnings.length > 0) {
    throw new Error(`supabase ${args.slice(0, 2).join(" ")} ended with ${code}:\n${stderr}\n${stdout}`);
  }
  return { stdout, stderr };
}

/** As `--remote` takes it. */
export function remote(databaseUrl: string): string {
  return `--remote=${databaseUrl}?sslmode=disable`;
}
