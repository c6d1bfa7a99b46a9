// The package as an app meets it: unpacked elsewhere, type-checked, bundled, run, and with no more inside than it needs.

import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";
import { buildPackage } from "./build.ts";

const run = promisify(execFile);
const modules = resolve(import.meta.dirname, "../../node_modules");
let app: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  const folder = await temporaryFolder();
  [app, remove] = [folder.path, folder.remove];
  const tarball = await buildPackage();
  await mkdir(join(app, "node_modules/@types"), { recursive: true });
  await mkdir(join(app, "node_modules/@supabase"));
  await run("tar", ["-xzf", tarball, "-C", join(app, "node_modules")]);
  await run("mv", [join(app, "node_modules/package"), join(app, "node_modules/genflow")]);
  // What a package manager would bring: the dependency and the peers.
  for (const name of ["zod", "@supabase/supabase-js", "react", "@types/react"]) {
    await symlink(join(modules, name), join(app, "node_modules", name));
  }
  await writeFile(join(app, "package.json"), JSON.stringify({ type: "module" }));
}, 120_000);
afterAll(() => remove?.());

const script = `
import { createClient } from "@supabase/supabase-js";
import { createGenerationService, GenerationError, type GenerationRecord, memoryStorage } from "genflow";
import { problems, StartRequest } from "genflow/contract";
import { useFeed } from "genflow/react";

const supabase = createClient("http://127.0.0.1:1", "key");
const service = createGenerationService({ supabase, storage: memoryStorage() });
const records: readonly GenerationRecord[] = service.pending().get();
const feed: typeof useFeed = useFeed;
console.log(records.length, typeof feed, problems.rate_limited.status, StartRequest.safeParse({}).success);
try {
  await service.cancel("00000000-0000-4000-8000-000000000000");
} catch (error) {
  if (error instanceof GenerationError) console.log(error.code);
}
await service.close();
export const wrong = () =>
  // @ts-expect-error: types that say nothing would let this pass
  service.startGeneration({ modelId: 7 });
`;

test.each(["bundler", "nodenext"])(
  "it type-checks elsewhere, with modules resolved as %s does",
  async (how) => {
    await writeFile(join(app, "app.ts"), script);
    const options = {
      strict: true,
      noEmit: true,
      target: "es2022",
      lib: ["es2022", "dom", "dom.iterable"],
      module: how === "bundler" ? "esnext" : "nodenext",
      moduleResolution: how,
      // Its own declarations are checked too.
      skipLibCheck: false,
      exactOptionalPropertyTypes: true,
      types: [],
    };
    await writeFile(
      join(app, "tsconfig.json"),
      JSON.stringify({ compilerOptions: options, files: ["app.ts"] }),
    );
    const { stdout } = await run(join(modules, ".bin/tsc"), ["--project", app], { cwd: app }).catch((
      error: { stdout: string },
    ) => error);
    // The peers' own declarations are theirs to mend.
    expect(stdout.split("\n").filter((line) => /^(app\.ts|node_modules\/genflow)/.test(line))).toEqual([]);
  },
);

test("it runs in Node as it is", async () => {
  await writeFile(
    join(app, "app.js"),
    script.replaceAll(/, type \w+|: (readonly )?(typeof )?\w+(\[\])?(?= =)/g, ""),
  );
  const { stdout } = await run(process.execPath, ["app.js"], { cwd: app });
  expect(stdout.trim().split("\n")).toEqual(["0 function 429 false", "signed_out"]);
});

test("it brings JavaScript, declarations and the API's description, and nothing of the backend", async () => {
  const own = join(app, "node_modules/genflow");
  const files = (await readdir(own, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(own.length + 1));
  expect(files).toEqual(expect.arrayContaining(["README.md", "LICENSE", "openapi.json", "package.json"]));
  expect(
    files.filter((file) =>
      !/^(README\.md|LICENSE|(openapi|package)\.json|dist\/(client|contract)\/.+\.(js|d\.ts))$/.test(file)
    ),
  )
    .toEqual([]);
  const { dependencies, optionalDependencies } = JSON.parse(
    await readFile(join(own, "package.json"), "utf8"),
  );
  expect(Object.keys(dependencies)).toEqual(["zod"]);
  expect(optionalDependencies).toBeUndefined();
});
