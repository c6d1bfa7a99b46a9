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

/** More of them by `npm run simulate`: two hundred take minutes. */
const seeds = 30;
const fewest = 1;

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

test("the same seed gives the same run", async () => {
  const [one, two] = [
    await simulate("--seed", "7", "--seeds", "1"),
    await simulate("--seed", "7", "--seeds", "1"),
  ];
  expect(one).toContain("trail ");
  expect(two).toBe(one);
});

test("a number that is none is refused", async () => {
  await expect(simulate("--seeds", "many")).rejects.toThrow(
    "--seeds wants a whole number above 0, not 'many'",
  );
});
