import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

async function simulate(...args: string[]): Promise<string> {
  const main = join(import.meta.dirname, "main.ts");
  const { stdout } = await run(process.execPath, [main, ...args], { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

const seeds = 200;
const fewest = 30;

test(`${seeds} seeds break no promise, and every fault was seen often enough to count`, async () => {
  const report = await simulate("--seeds", String(seeds));
  expect(report).toContain("\n0 violations");
  expect(report).toContain("credits drift 0");
  const faults = report.slice(0, report.indexOf("Promises")).split("\n").slice(1);
  const counted = faults.map((line) => /^\s*([\d,]+) {2}(.+)$/.exec(line)).filter((found) => found !== null)
    .map(([, count = "", name = ""]): [string, number] => [name, Number(count.replaceAll(",", ""))]);
  expect(counted.length).toBeGreaterThan(50);
  expect(counted.filter(([, count]) => count < fewest)).toEqual([]);
});

test("the same seed gives the same run, whatever ran before in its process and database", async () => {
  const trailOf = (report: string) => /^seed 7 has the trail [0-9a-f]{64}$/m.exec(report)?.[0];
  const alone = trailOf(await simulate("--seed", "7", "--seeds", "1"));
  expect(alone).toBeDefined();
  expect(trailOf(await simulate("--seed", "5", "--seeds", "3", "--workers", "1"))).toBe(alone);
});

test("a number that is none is refused", async () => {
  await expect(simulate("--seeds", "many")).rejects.toThrow(
    "--seeds wants a whole number above 0, not 'many'",
  );
});
