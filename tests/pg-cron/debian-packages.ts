// Debian's PostgreSQL 15 and the extensions that no npm package brings. They are installed where this machine lets us;
// once there, they serve an ordinary user too.

import { execFile } from "node:child_process";
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export const debianProgramsDirectory = "/usr/lib/postgresql/15";
export const debianShareDirectory = "/usr/share/postgresql/15";

/** Package → a file among the programs, by which it is known to be there. */
const packages: Record<string, string> = {
  "postgresql-15": "bin/postgres",
  "postgresql-15-cron": "lib/pg_cron.so",
  "postgresql-15-plpgsql-check": "lib/plpgsql_check.so",
};

/** What decides whether packages can be installed. */
export interface Machine {
  programsDirectory: string;
  /** Folders with commands, as in PATH. */
  commandFolders: string[];
  isRoot: boolean;
}

const thisMachine: Machine = {
  programsDirectory: debianProgramsDirectory,
  commandFolders: (process.env["PATH"] ?? "").split(":"),
  isRoot: process.getuid?.() === 0,
};

/** Read by Debian's tools when a server is installed: without it they make a cluster and start it on port 5432. */
const noClusterFile = "/etc/postgresql-common/createcluster.d/genflow.conf";

const notOffered = /Unable to locate package|has no installation candidate/;

/** Answers null once everything is there, else why it cannot be, in one line. Throws when the installation fails. */
export async function installDebianPackages(machine = thisMachine): Promise<string | null> {
  const missing = await missingPackages(machine);
  if (missing.length === 0) return null;
  const wanted = missing.join(", ");
  if (!(await has(machine, "apt-get"))) return `${wanted} would be needed, and there is no apt-get here`;
  if (!machine.isRoot) return `${wanted} would have to be installed, which only root may`;

  console.log(`installing Debian's ${wanted}`);
  const install = ["install", "--yes", "--no-install-recommends", ...missing];
  const restore = missing.includes("postgresql-15") ? await preventCluster() : async () => {};
  try {
    if (!(await aptGet(install)).ok) {
      // Lists of packages are as old as the machine's image, or not there at all.
      const update = await aptGet(["update", "-o", "APT::Update::Error-Mode=any"]);
      if (!update.ok) throw new Error(`apt-get update failed:\n${update.output}`);
      const again = await aptGet(install);
      if (notOffered.test(again.output)) return `this system's packages do not include ${wanted}`;
      if (!again.ok) throw new Error(`apt-get install failed:\n${again.output}`);
    }
  } finally {
    await restore();
  }
  const still = await missingPackages(machine);
  if (still.length > 0) throw new Error(`installed, but not where it is looked for: ${still.join(", ")}`);
  return null;
}

async function missingPackages({ programsDirectory }: Machine): Promise<string[]> {
  const found = await Promise.all(
    Object.entries(packages).map(async ([name, file]) => ({
      name,
      there: await exists(join(programsDirectory, file)),
    })),
  );
  return found.filter(({ there }) => !there).map(({ name }) => name);
}

async function preventCluster(): Promise<() => Promise<void>> {
  await mkdir(dirname(noClusterFile), { recursive: true });
  await writeFile(noClusterFile, "create_main_cluster = false\n", { mode: 0o644 });
  return () => rm(noClusterFile, { force: true });
}

function aptGet(args: string[]): Promise<{ ok: boolean; output: string }> {
  // Another apt may be at work, as on a machine that has just booted.
  const options = ["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0", "--quiet"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  return new Promise((done) => {
    execFile("apt-get", [...options, ...args], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      done({ ok: error === null, output: lastLines(`${stdout}\n${stderr}`) });
    });
  });
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-20).join("\n");
}

async function has({ commandFolders }: Machine, command: string): Promise<boolean> {
  return (await Promise.all(commandFolders.map((folder) => exists(join(folder, command))))).includes(true);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}
