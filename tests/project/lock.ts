// The lock file must name the packages of every platform, or `npm ci` refuses it wherever one cannot be looked up. npm
// leaves those out that the configured registry does not offer; `npm run lock` puts them back, without a checksum.

import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as z from "zod";

const Package = z.looseObject({
  version: z.string().optional(),
  dev: z.boolean().optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});
const Lock = z.looseObject({ packages: z.record(z.string(), Package) });
type Lock = z.infer<typeof Lock>;

export const lockFile = join(resolve(import.meta.dirname, "../.."), "package-lock.json");

export function readLock(): Lock {
  const lock: Lock = JSON.parse(readFileSync(lockFile, "utf8"));
  Lock.parse(lock);
  return lock; // and not what was parsed, which has its keys in another order
}

export interface Missing {
  name: string;
  version: string;
  /** Of the package that wants it. */
  dev: boolean;
}

/** Optional packages that some package wants and the lock does not name. */
export function missingPackages({ packages }: Lock): Missing[] {
  const missing = Object.values(packages).flatMap(({ optionalDependencies, dev }) =>
    Object.entries(optionalDependencies ?? {})
      .filter(([name]) => packages[`node_modules/${name}`] === undefined)
      .map(([name, version]) => ({ name, version, dev: dev ?? false }))
  );
  return missing.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const systems: Readonly<Record<string, string>> = {
  win32: "win32",
  windows: "win32",
  darwin: "darwin",
  linux: "linux",
};

/** What a lock says of a package for one platform; the platform stands in its name. */
function entryOf({ name, version, dev }: Missing): z.infer<typeof Package> {
  const words = name.split(/[/-]/);
  const os = words.map((word) => systems[word]).find((system) => system !== undefined);
  const cpu = words.find((word) => word === "x64" || word === "arm64");
  if (os === undefined || cpu === undefined || !/^[0-9]/.test(version)) {
    throw new Error(`${name}@${version} names no platform: look why the registry does not offer it`);
  }
  const libc = words.find((word) => word === "musl" || word === "glibc");
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc === undefined ? {} : { libc: [libc] }),
    optional: true,
    os: [os],
  };
}

if (import.meta.main) {
  const lock = readLock();
  for (const missing of missingPackages(lock)) {
    lock.packages[`node_modules/${missing.name}`] = entryOf(missing);
    console.log(`named ${missing.name}@${missing.version}`);
  }
  const [[root, project], ...others] = Object.entries(lock.packages) as [
    [string, object],
    ...[string, object][],
  ];
  const sorted = Object.fromEntries([
    [root, project],
    ...others.toSorted(([a], [b]) => a.localeCompare(b, "en")),
  ]);
  writeFileSync(lockFile, JSON.stringify({ ...lock, packages: sorted }, null, 2) + "\n");
}
