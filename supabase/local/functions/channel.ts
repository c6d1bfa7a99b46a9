// What a function's process prints: its port, boot.ts's words to the host, and the function's own lines.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Log } from "../log.ts";

const LISTENING = /^Listening on http:\/\/127\.0\.0\.1:(\d+)\//;

/**
 * Deno says where it listens on stderr. What stands behind a mark is boot.ts's word to the host; every other line is
 * the function's own and goes to the log.
 */
export function listenToChild(
  child: ChildProcess,
  ended: Promise<void>,
  log: Log,
  hear: (message: string) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on("line", (line) => {
        const [printed = "", message] = line.split("\x01", 2);
        if (message !== undefined) {
          if (printed !== "") log(printed);
          return hear(message);
        }
        const [, port] = line.match(LISTENING) ?? [];
        if (port === undefined) log(line);
        else resolve(Number(port));
      });
    }
    child.stdin?.on("error", () => {/* the process went first; its exit is what counts */});
    void once(child, "error").then(([error]) => reject(error as Error), reject);
    void ended.then(() => reject(new Error("the function's process ended before it listened")));
  });
}
