// The table of traps in the stack's README, held against the tests that it names.

import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const project = resolve(import.meta.dirname, "../..");
const trapCount = 32;
const mustBeReproduced = 28;

interface Trap {
  number: number;
  here: string;
  files: string[];
}

const readme = await readFile(join(project, "supabase/local/README.md"), "utf8");
const traps: Trap[] = [...readme.matchAll(/^\| *(\d+) *\|[^|]*\|([^|]*)\|([^|]*)\|$/gm)].map(
  ([, number, here = "", shownBy = ""]) => ({
    number: Number(number),
    here: here.trim(),
    files: [...shownBy.matchAll(/tests\/traps\/[a-z-]+\.test\.ts/g)].map(([file]) => file),
  }),
);
const titles = new Map<string, Set<number>>();
for (const name of await readdir(join(project, "tests/traps"))) {
  if (!name.endsWith(".test.ts")) continue;
  const source = await readFile(join(project, "tests/traps", name), "utf8");
  const numbers = [...source.matchAll(/\btest(?:\.skipIf\([^)]*\))?\(\s*["'`]trap (\d+): /g)].map(([, one]) =>
    Number(one)
  );
  titles.set(`tests/traps/${name}`, new Set(numbers));
}

test("the stack's README names every trap once", () => {
  expect(traps.map((trap) => trap.number)).toEqual(
    Array.from({ length: trapCount }, (_, index) => index + 1),
  );
});

test("a trap is reproduced or refused by a test that bears its number, or not covered for a reason", () => {
  const wrong = traps.filter(({ number, here, files }) =>
    /^(reproduced|refused)/.test(here)
      ? files.length === 0 || !files.every((file) => titles.get(file)?.has(number))
      : !/^not covered: ./.test(here)
  );
  expect(wrong).toEqual([]);
});

test(`at least ${mustBeReproduced} traps are reproduced or refused`, () => {
  expect(traps.filter(({ here }) => /^(reproduced|refused)/.test(here)).length)
    .toBeGreaterThanOrEqual(mustBeReproduced);
});

test("every test of a trap stands in the table", () => {
  const named = new Set(traps.flatMap(({ number, files }) => files.map((file) => `${file} ${number}`)));
  const missing = [...titles].flatMap(([file, numbers]) => [...numbers].map((number) => `${file} ${number}`))
    .filter((one) => !named.has(one));
  expect(missing).toEqual([]);
});
