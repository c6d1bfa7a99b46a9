/**
 * Which operating-system account runs Postgres. Postgres refuses to run as root, so a stack started by root
 * lends its server to an unprivileged account; everybody else runs it as themselves.
 */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The account to switch to, or null when the current one will do. */
export type Account = { readonly uid: number; readonly gid: number } | null;

/** Tried in this order; `nobody` exists on every system, `postgres` where a system package brought it. */
const accountNames = ["postgres", "nobody"];

/** The owner of existing data goes before the named accounts: a cluster can only be started by its owner. */
export async function accountFor(pgdata: string): Promise<Account> {
  if (process.getuid?.() !== 0) return null;
  const owner = await stat(pgdata).catch(() => null); // not there yet: a new cluster
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of accountNames) {
    const ids = await idsOf(name);
    if (ids) return ids;
  }
  throw new Error(
    `Postgres cannot run as root, and none of the accounts ${
      accountNames.join(", ")
    } exists. Start as an ordinary user.`,
  );
}

/** Can this account enter the directory? Asked of the kernel, so that access lists count too. */
export async function canEnter(account: Account, directory: string): Promise<boolean> {
  if (account === null) return true;
  try {
    await run("/bin/sh", ["-c", 'cd -- "$1"', "sh", directory], { ...account, cwd: "/" });
    return true;
  } catch {
    return false; // the shell's exit status is the answer
  }
}

async function idsOf(name: string): Promise<Account> {
  try {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return null; // `id` fails when there is no such account
  }
}
