/**
 * Where a stack keeps its files. Normally exactly where it was told to; when the account that runs Postgres
 * cannot get there (a clone under a private home, started as root), a folder of its own under the temporary
 * directory, the same one at every start.
 */
import { createHash } from "node:crypto";
import { chmod, lstat, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Account, accountFor, canEnter } from "./account.ts";

/** This project's folder for binaries and data that are not in the repository. */
export const projectLocalDirectory = resolve(import.meta.dirname, "../../.local");

/** Anyone may pass through, only the owner may list or write. */
const passableMode = 0o711;

/** Answers the directory that Postgres can really use for `localDirectory`, and makes it. */
export async function resolveDataHome(localDirectory: string): Promise<string> {
  const wanted = resolve(localDirectory);
  return reachableHome(wanted, await accountFor(wanted));
}

export async function reachableHome(wanted: string, account: Account): Promise<string> {
  await mkdir(wanted, { recursive: true });
  if (await canEnter(account, wanted)) return wanted;
  if (await canEnter(account, dirname(wanted))) {
    // Only this last folder is closed, as mkdtemp leaves it, and it is ours to open.
    await chmod(wanted, passableMode);
    return wanted;
  }
  const name = `genflow-${createHash("sha256").update(wanted).digest("hex").slice(0, 12)}`;
  for (const parent of new Set([tmpdir(), "/tmp", "/var/tmp"])) {
    if (!(await canEnter(account, parent))) continue;
    const home = join(parent, name);
    await mkdir(home, { recursive: true, mode: passableMode });
    await refuseForeign(home);
    await chmod(home, passableMode);
    return home;
  }
  throw new Error(
    `No folder for Postgres: neither ${wanted} nor a temporary directory can be entered by its account.`,
  );
}

/** The name under the shared temporary directory can be guessed: another user may have put a trap there. */
async function refuseForeign(home: string): Promise<void> {
  const found = await lstat(home);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${home} belongs to somebody else. Remove it, or set TMPDIR to a folder of your own.`);
  }
}
