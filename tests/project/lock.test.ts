// `npm ci` must work from the lock file anywhere.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { lockFile, missingPackages, readLock } from "./lock.ts";

describe("the lock file", () => {
  it("names the packages of every platform (`npm run lock` completes it)", () => {
    expect(missingPackages(readLock())).toEqual([]);
  });

  it("holds no download addresses", () => {
    expect(readFileSync(lockFile, "utf8")).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
  });
});
