// Everything that a stack writes down anywhere: what its services and functions log, what reaches this process's
// console, and the files of the database and the gateway.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { vi } from "vitest";
import type { LogFile } from "./canaries.ts";

export interface CapturedLogs {
  /** For the stack's own log, functions included. */
  log(line: string): void;
  /** The functions' JSON lines so far. */
  lines(): Record<string, unknown>[];
  /** With the files of the data directory, as they are now. */
  files(dataDirectory: string): Promise<LogFile[]>;
  release(): void;
}

/**
 * At once, so that this module is to be imported before the stack: the Data API mutes what its library prints of
 * refused requests by a console.error of its own, which must lie above this one.
 */
const printed: string[] = [];
const spies = (["log", "info", "warn", "error", "debug", "trace"] as const).map((method) =>
  vi.spyOn(console, method).mockImplementation((...values: unknown[]) => {
    printed.push(
      values.map((value) => value instanceof Error ? value.stack : JSON.stringify(value)).join(" "),
    );
  })
);

export function captureLogs(): CapturedLogs {
  const stack: string[] = [];
  return {
    log: (line) => void stack.push(line),
    lines: () =>
      stack.flatMap((line) => {
        const json = /^\[[a-z-]+\] (\{.*\})$/.exec(line)?.[1];
        return json === undefined ? [] : [JSON.parse(json) as Record<string, unknown>];
      }),
    async files(dataDirectory) {
      const names = (await readdir(dataDirectory)).filter((name) => name.endsWith(".log"));
      return [
        { name: "stack", text: stack.join("\n") },
        { name: "console", text: printed.join("\n") },
        ...await Promise.all(names.map(async (name) => ({
          name: name.replace(/-\d+\.log$|\.log$/, ""),
          text: await readFile(join(dataDirectory, name), "utf8"),
        }))),
      ];
    },
    release() {
      for (const spy of spies) spy.mockRestore();
    },
  };
}
