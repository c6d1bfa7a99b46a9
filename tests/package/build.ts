// `npm run package`: the client and the contract as a package of JavaScript and declarations, and a tarball of it under
// output/. Its manifest is made here: the project's own brings Postgres and Deno, of which an app needs nothing.

import { execFile } from "node:child_process";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { readJson } from "../project/source-files.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
export const packageDirectory = join(root, "output/package");

/** Entry → folder of `shared`. */
const entries = { ".": "client", "./react": "client/react", "./contract": "contract" };

function manifest(): Record<string, unknown> {
  const { name, version, description, license, keywords, engines, dependencies, devDependencies } = readJson(
    "package.json",
  );
  const versions = { ...devDependencies as object, ...dependencies as object } as Record<string, string>;
  const compatible = (name: string) => `^${versions[name]}`;
  return {
    name,
    version,
    description,
    license,
    keywords,
    engines,
    type: "module",
    sideEffects: false,
    exports: Object.fromEntries(
      Object.entries(entries).map(([entry, folder]) => [entry, {
        types: `./dist/${folder}/mod.d.ts`,
        default: `./dist/${folder}/mod.js`,
      }]),
    ),
    files: ["dist", "openapi.json"],
    dependencies: { zod: compatible("zod") },
    peerDependencies: {
      "@supabase/supabase-js": compatible("@supabase/supabase-js"),
      react: ">=18",
    },
    peerDependenciesMeta: { react: { optional: true } },
  };
}

/** Answers the tarball. */
export async function buildPackage(): Promise<string> {
  await rm(packageDirectory, { recursive: true, force: true });
  await mkdir(packageDirectory, { recursive: true });
  const tsc = join(root, "node_modules/.bin/tsc");
  await run(tsc, ["--project", join(import.meta.dirname, "tsconfig.json")], { cwd: root });
  await writeFile(join(packageDirectory, "package.json"), `${JSON.stringify(manifest(), null, 2)}\n`);
  for (
    const [from, to] of [["LICENSE", "LICENSE"], ["README.md", "README.md"], [
      "shared/contract/openapi.json",
      "openapi.json",
    ]] as const
  ) {
    await cp(join(root, from), join(packageDirectory, to));
  }
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", join(root, "output")], {
    cwd: packageDirectory,
  });
  const [{ filename }]: [{ filename: string }] = JSON.parse(stdout);
  return join(root, "output", filename);
}

if (import.meta.main) console.log(await buildPackage());
