// Each function type-checks in the runtime it is made for, with its own import map and the packages installed here.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { functionNames, root } from "./source-files.ts";

const run = promisify(execFile);
const seconds = 1000;

test.each(functionNames())("deno check passes for %s", async (name) => {
  const folder = join("supabase/functions", name);
  const check = ["check", "--quiet", "--node-modules-dir=manual", "--no-lock"];
  const { stderr } = await run(
    join(root, "node_modules/.bin/deno"),
    [...check, "--config", join(folder, "deno.json"), join(folder, "index.ts")],
    { cwd: root, env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" } },
  );
  expect(stderr).toBe("");
}, 60 * seconds);
