// Runs the commands that it is given, one after the other, and adds up their last lines: N passed, N failed.
// A command that fails without saying how many failed counts as one failure.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const summaryForm = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;
const sum = { passed: 0, failed: 0, skipped: 0 };

for (const command of process.argv.slice(2)) {
  console.log(`\n$ ${command}`);
  const started = performance.now();
  const { summary, code } = await run(command);
  const [, passed, failed, skipped] = summary;
  sum.passed += Number(passed ?? 0);
  sum.skipped += Number(skipped ?? 0);
  sum.failed += Math.max(Number(failed ?? 0), code === 0 && passed !== undefined ? 0 : 1);
  console.log(`${command}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
}
const { passed, failed, skipped } = sum;
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** Passes the output on; `summary` is what the last line that is one says, empty if there was none. */
function run(command: string): Promise<{ summary: string[]; code: number }> {
  return new Promise((done, fail) => {
    const child = spawn(command, { shell: true, stdio: ["ignore", "pipe", "inherit"] });
    let summary: string[] = [];
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      console.log(line);
      summary = summaryForm.exec(line.trim()) ?? summary;
    });
    child.once("error", fail);
    child.once("close", (code) => done({ summary, code: code ?? 1 }));
  });
}
