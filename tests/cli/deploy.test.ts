// What the official CLI uploads of each function: every file that it imports, nothing else, every package pinned.

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { functionNames, readJson } from "../project/source-files.ts";
import { type TemporaryFolder, temporaryFolder } from "../temporary-folder.ts";
import { bundleFaults } from "./bundle.ts";
import { type FakeManagementApi, startFakeManagementApi } from "./fake-management-api.ts";
import { type CliAnswer, project, runSupabase } from "./supabase-cli.ts";

const projectRef = "abcdefghijklmnopqrst";
const token = `sbp_${"0".repeat(40)}`;
const versions = readJson("package.json")["dependencies"] as Record<string, string>;

interface Deployment {
  api: FakeManagementApi;
  answer: CliAnswer;
}

/** Deploys every function below `root` to an API of its own. */
async function deploy(root: string, scratch: string): Promise<Deployment> {
  const api = await startFakeManagementApi({ token });
  const profile = join(scratch, "profile.yaml");
  await writeFile(
    profile,
    `name: scratch\napi_url: ${api.url}\ndashboard_url: ${api.url}\nproject_host: scratch.test\npooler_host: scratch.test\n`,
  );
  try {
    const options = { cwd: root, env: { SUPABASE_ACCESS_TOKEN: token } };
    const flags = ["--use-api", "--yes", "--profile", profile, "--workdir", root, `--remote=${projectRef}`];
    return { api, answer: await runSupabase(["functions", "deploy", ...flags], options) };
  } finally {
    await api.close();
  }
}

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

describe("the project", () => {
  let deployed: Deployment;
  beforeAll(async () => {
    deployed = await deploy(project, folder.path);
  });

  test("deploys all its functions without a warning, unknown keys in config.toml included", () => {
    const { api, answer } = deployed;
    expect(answer.warnings).toEqual([]);
    expect(answer.code).toBe(0);
    expect(api.unknown).toEqual([]);
    expect([...api.uploads.keys()].sort()).toEqual(functionNames());
    expect(api.announced.sort((a, b) => a.slug.localeCompare(b.slug))).toEqual(
      functionNames().map((slug) => ({ slug, verify_jwt: false })),
    );
  });

  test.each(functionNames())("%s is uploaded with all that it imports, and nothing else", (name) => {
    const upload = deployed.api.uploads.get(name);
    if (upload === undefined) throw new Error("not uploaded");
    expect(upload.metadata).toEqual({
      name,
      entrypoint_path: `supabase/functions/${name}/index.ts`,
      import_map_path: `supabase/functions/${name}/deno.json`,
      static_patterns: [],
      verify_jwt: false,
    });
    // The code that functions share lies above supabase/.
    expect([...upload.files.keys()]).toContain("shared/contract/mod.ts");
    expect(bundleFaults(project, upload, versions)).toEqual([]);
  });
});

/** The CLI ends with 0 and warns at most: the function would fail at its first request. */
const careless: Record<string, string> = {
  "supabase/config.toml": `project_id = "careless"
[api]
max_row = 1000
[functions.careless]
verify_jwt = false
import_map = "./functions/careless/deno.json"
entrypoint = "./functions/careless/index.ts"
`,
  "supabase/functions/careless/deno.json": JSON.stringify({
    imports: { zod: "npm:zod@^4.6.7", "lib/": "./lib/" },
  }),
  "supabase/functions/careless/index.ts": `
    import "./gone.ts";
    import "./extensionless";
    import "../../../shared/used.ts";
    import "image-size";
    await import(\`./template.ts\`);
    await import("./" + Deno.args[0]);
    await Deno.readTextFile(new URL("./words.txt", import.meta.url));`,
  "supabase/functions/careless/extensionless.ts": "",
  "supabase/functions/careless/template.ts": "",
  "supabase/functions/careless/words.txt": "",
  "supabase/functions/careless/lib/unused.ts": "",
  "shared/used.ts": "",
};

test("what the CLI leaves out, uploads too much or only warns of is found", async () => {
  const root = join(folder.path, "careless");
  for (const [path, text] of Object.entries(careless)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const { api, answer } = await deploy(root, folder.path);
  expect(answer.code).toBe(0);
  expect(answer.warnings).toEqual([
    expect.stringContaining("api.max_row"),
    expect.stringContaining("supabase/functions/careless/gone.ts"),
  ]);
  const upload = api.uploads.get("careless");
  if (upload === undefined) throw new Error("not uploaded");
  const at = "supabase/functions/careless";
  expect(bundleFaults(root, upload, versions).sort()).toEqual([
    "not the version of package.json: ./lib/",
    "not the version of package.json: npm:zod@^4.6.7",
    `not uploaded: ${at}/template.ts`,
    `${at}/index.ts imports ${at}/extensionless, which is not there`,
    `${at}/index.ts imports ${at}/gone.ts, which is not there`,
    `${at}/index.ts imports image-size, which is not in the import map`,
    `${at}/index.ts imports what only running tells`,
    `${at}/index.ts names a file by new URL`,
    `uploaded and not needed: ${at}/lib/unused.ts`,
  ].sort());
});
