// `npm run test:crash`: the real stack under load from several users, with Postgres, functions and the gateway killed at
// random moments, and everything looked at when it is over. Ends with one line: N passed, N failed.
//
//   --seed N     of the moments and the victims, 1; the operating system's scheduling is nobody's to repeat
//   --rounds M   kills, 50
//
// Takes about seven minutes on two cores and ends itself after thirty. Linux only.

import { parseArgs } from "node:util";
import { crash } from "./run.ts";

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, rounds: { type: "string", default: "50" } },
});
const [seed, rounds] = [Number(values.seed), Number(values.rounds)];
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(rounds) || rounds < 1) {
  console.error("--seed and --rounds want whole numbers");
  process.exit(2);
}
if (process.platform === "linux") {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
  }
  const { passed, failed } = await crash({ seed, rounds, signal: interrupted.signal });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} else {
  console.log("The crash test is not run: it finds what to kill in /proc, which only Linux has.");
  console.log("0 passed, 0 failed, 1 skipped");
}
