// `npm run fuzz`: mutated deliveries to the webhook of a stack of its own. Ends with one line: N passed, N failed.
//
//   --seed N    1
//   --count M   100000
//   --first I   0; with `--count 1` one delivery is seen again, on targets of the same kind

import { parseArgs } from "node:util";
import { layGround } from "./ground.ts";
import { tableOf } from "./report.ts";
import { fuzz } from "./run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "100000" },
    first: { type: "string", default: "0" },
  },
});
const everySeconds = 30;
let toldAtSeconds = 0;
let toldFailures = 0;

/** As they occur: a long run may be stopped. */
function tellFailures(failures: string[]): void {
  for (const failure of failures.slice(toldFailures)) console.log(`✗ ${failure}`);
  toldFailures = failures.length;
}

const ground = await layGround();
let failed = 1;
let passed = 0;
try {
  const report = await fuzz(ground, {
    seed: Number(values.seed),
    first: Number(values.first),
    count: Number(values.count),
    onProgress({ deliveries, seconds, failures }) {
      tellFailures(failures);
      if (seconds - toldAtSeconds < everySeconds) return;
      toldAtSeconds = seconds;
      console.log(`${deliveries} deliveries in ${Math.round(seconds)} s, ${failures.length} failures`);
    },
  });
  tellFailures(report.failures);
  console.log(tableOf(report));
  failed = report.failures.length;
  passed = report.deliveries - failed;
} finally {
  await ground.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
