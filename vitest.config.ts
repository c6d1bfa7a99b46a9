// One project a room. Database and flow tests share one Postgres and one stack, started once for all their files.

import { defineConfig } from "vitest/config";

const seconds = 1000;

function room(
  name: string,
  more: { globalSetup?: string; setupFiles?: string; testTimeout?: number; include?: string[] } = {},
) {
  return {
    test: {
      name,
      include: [`tests/${name}/**/*.test.ts`],
      testTimeout: 20 * seconds,
      hookTimeout: 60 * seconds,
      // One second is short on a machine that is busy with the next test's servers.
      expect: { poll: { timeout: 15 * seconds } },
      // Most tests wait for another process, so two files at a time fit two cores.
      maxWorkers: 2,
      ...more,
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      room("project"),
      room("contract"),
      room("wavespeed"),
      room("backend"),
      room("client"),
      room("local", { testTimeout: 60 * seconds }),
      room("database", { globalSetup: "tests/database/global-setup.ts" }),
      // The oldest Postgres that is supported: whole lives of jobs, and the sweep.
      room("database-15", {
        globalSetup: "tests/database/global-setup.ts",
        include: ["tests/database/{storing,sweep,inputs,retry}.test.ts"],
      }),
      // What passes locally and fails on a hosted project: see the table in supabase/local/README.md.
      room("traps", { globalSetup: "tests/traps/global-setup.ts", testTimeout: 60 * seconds }),
      room("attack"),
      // The parts of the benchmark that can be right or wrong; its figures are `npm run bench`.
      room("bench"),
      // Whole lives of the system by seed: `npm run simulate` for more than a few.
      room("simulation", { testTimeout: 900 * seconds }),
      // Mutated deliveries to the webhook: `npm run fuzz` for more than a few thousand.
      room("fuzz"),
      // The client as an app installs it.
      room("package"),
      // The playground in Chromium.
      room("browser", { globalSetup: "tests/browser/global-setup.ts", testTimeout: 90 * seconds }),
      // Not part of `npm test`, see tests/run.ts: they may install Debian's packages and wait for a full minute.
      room("cli", { testTimeout: 60 * seconds }),
      room("pg-cron"),
      room("flow", {
        globalSetup: "tests/flow/global-setup.ts",
        setupFiles: "tests/flow/documented.ts",
        testTimeout: 60 * seconds,
      }),
    ],
  },
});
