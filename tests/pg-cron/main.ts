// `npm run test:pg-cron`: the sweep on a real pg_cron. Ends with one line: N passed, N failed, and says why where it
// cannot run.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { installDebianPackages } from "./debian-packages.ts";

const impediment = await installDebianPackages();
if (impediment === null) {
  const runner = join(import.meta.dirname, "../run.ts");
  const child = spawn(process.execPath, [runner, "--project", "pg-cron", ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  const [code] = await once(child, "close");
  process.exitCode = typeof code === "number" ? code : 1;
} else {
  console.log(`The real pg_cron is not tested: ${impediment}.`);
  console.log("0 passed, 0 failed, 1 skipped");
}
