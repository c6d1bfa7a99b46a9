// `npm run generate`, as a person in a terminal uses it.

import { createHash, randomUUID } from "node:crypto";
import { spawn } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";
import { type ControlledStack, startControlledStack } from "./controlled-stack.ts";

const program = resolve(import.meta.dirname, "../../supabase/local/generate/main.ts");
let stack: ControlledStack;
let folder: string;

beforeAll(async () => {
  stack = await startControlledStack();
});
afterAll(() => stack?.stop());
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = temporary.path;
  await stack.provider({ latencyMs: 300 });
  return () => temporary.remove();
});

interface Run {
  code: number | null;
  lines: string[];
}

/** Runs the program to its end; `atLine` may send it a signal on the way. */
function run(
  args: string[],
  atLine: (line: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Run> {
  return new Promise((done, fail) => {
    // An empty key hides a developer's own: a test never reaches the real provider.
    const child = spawn(process.execPath, [program, ...args], {
      cwd: folder,
      env: { ...process.env, WAVESPEED_API_KEY: "" },
    });
    const lines: string[] = [];
    let rest = "";
    const take = (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        lines.push(line);
        atLine(line, (signal) => child.kill(signal));
      }
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", fail);
    child.on("close", (code) => done({ code, lines }));
  });
}

describe("npm run generate", () => {
  it("with --json prints one object a line and ends with the picture, saved as stored", async () => {
    const { code, lines } = await run([
      "a red fox in the snow",
      "--aspect",
      "16:9",
      "--json",
      "--data",
      stack.dataDirectory,
    ]);
    const events = lines.map((line) => JSON.parse(line));
    expect(code).toBe(0);
    expect(events.map(({ status }) => status)).toEqual(
      ["queued", "submitting", "processing", "persisting", "completed"],
    );
    const last = events.at(-1);
    expect(last).toMatchObject({ status: "completed", width: 1344, height: 768, creditsCaptured: 1 });
    const saved = await readFile(join(folder, last.file));
    expect(createHash("sha256").update(saved).digest("hex")).toBe(last.sha256);
    const { predictions } = await stack.journal();
    expect(predictions.flatMap(({ outputs }) => outputs.map(({ sha256 }) => sha256))).toContain(last.sha256);
  });

  it("for people says size, path, file, credits and trace", async () => {
    const { code, lines } = await run(["a lighthouse", "--data", stack.dataDirectory]);
    const text = lines.join("\n");
    expect(code).toBe(0);
    expect(text).toMatch(/queued +next in turn, about \d+ s/);
    expect(text).toMatch(/processing +\d+ s of about 4 s/);
    expect(text).toMatch(
      /1024 × 1024\n +stored as +[0-9a-f-]{36}\/[0-9a-f-]{36}\/0-[0-9a-f]{8}\n +saved to +output\/[0-9a-f]{8}-0\.jpg/,
    );
    expect(text).toMatch(/1 credits used, \d+ left · trace [0-9a-f]{32}/);
  });

  it("cancels on Ctrl-C and says what becomes of the credits", async () => {
    await stack.provider({ latencyMs: 60_000 });
    const { code, lines } = await run(
      ["a slow one", "--json", "--data", stack.dataDirectory],
      (line, kill) => {
        if (line.includes('"processing"')) kill("SIGINT");
      },
    );
    expect(code).toBe(130);
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({
      event: "canceled",
      status: "canceled",
      refund: "pending",
    });
  });

  it.for<[string, string[], RegExp]>([
    ["an unknown model", ["x", "--model", "nope"], /Allowed: .*flux-schnell/],
    ["a ratio the model lacks", ["x", "--aspect", "7:3"], /Allowed: .*16:9/],
    ["too many pictures", ["x", "--images", "9"], /Allowed: 1, 2, 3, 4/],
    ["an empty prompt", [" "], /The prompt is empty/],
    ["an unknown option", ["x", "--size", "1"], /Usage: npm run generate/],
    ["a number that is none", ["x", "--images", "two"], /whole number/],
  ])("names what is allowed and exits 2 for %s", async ([, args, says]) => {
    const { code, lines } = await run([...args, "--data", stack.dataDirectory]);
    expect(lines.join("\n")).toMatch(says);
    expect(code).toBe(2);
  });

  it("starts a stack of its own where none runs, and stops it again", async () => {
    const dataDirectory = join(folder, randomUUID());
    const { code, lines } = await run(["a tree", "--data", dataDirectory]);
    expect(lines[0]).toBe("Starting a stack of its own …");
    expect(lines.join("\n")).toContain("saved to");
    expect(code).toBe(0);
    await expect(access(join(dataDirectory, "stack.json"))).rejects.toThrow("ENOENT");
  });
});
