// Tells which function's code changed; null when it is code that several share.

import { existsSync, type FSWatcher, watch } from "node:fs";
import { sep } from "node:path";

const SETTLE_MS = 50; // editors write a file in several steps

export function watchCode(
  functionsDirectory: string,
  sharedDirectories: string[],
  changed: (name: string | null) => void,
): { stop(): void } {
  const timers = new Map<string | null, NodeJS.Timeout>();
  const report = (name: string | null) => {
    clearTimeout(timers.get(name));
    timers.set(name, setTimeout(() => changed(name), SETTLE_MS));
  };
  const watchers: FSWatcher[] = [];
  const follow = (directory: string, nameOf: (file: string) => string | null) => {
    if (!existsSync(directory)) return;
    watchers.push(watch(directory, { recursive: true }, (_event, file) => {
      if (file !== null && /\.(ts|tsx|js|mjs|json|sql|wasm)$/.test(file)) report(nameOf(file));
    }));
  };
  follow(functionsDirectory, (file) => {
    const [folder, ...rest] = file.split(sep);
    return rest.length === 0 || folder === undefined || folder.startsWith("_") ? null : folder;
  });
  for (const directory of sharedDirectories) follow(directory, () => null);
  return {
    stop() {
      for (const watcher of watchers) watcher.close();
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
}
