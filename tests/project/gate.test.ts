import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";

const gate = resolve(import.meta.dirname, "../gate.ts");

function runGate(...commands: string[]): Promise<{ last: string; code: number }> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [gate, ...commands], (_error, stdout) => {
      done({ last: stdout.trim().split("\n").at(-1) ?? "", code: child.exitCode ?? -1 });
    });
  });
}

describe("the gate", () => {
  test("adds up what its commands passed and skipped", async () => {
    expect(await runGate("echo '3 passed, 0 failed'", "echo noise; echo '4 passed, 0 failed, 1 skipped'"))
      .toEqual({ last: "7 passed, 0 failed, 1 skipped", code: 0 });
  });
  test("fails with a command that failed, and still runs the next", async () => {
    expect(await runGate("echo '3 passed, 2 failed'; exit 1", "echo '1 passed, 0 failed'"))
      .toEqual({ last: "4 passed, 2 failed", code: 1 });
  });
  test("counts a command that ends badly or without a summary as one failure", async () => {
    expect(await runGate("echo '3 passed, 0 failed'; exit 1", "true", "exit 7"))
      .toEqual({ last: "3 passed, 3 failed", code: 1 });
  });
  test("does not call nothing a success", async () => {
    expect(await runGate("echo '0 passed, 0 failed'")).toEqual({ last: "0 passed, 0 failed", code: 1 });
  });
});
