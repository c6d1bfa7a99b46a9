/** Makes a data directory, once. */
import { execFile } from "node:child_process";
import { access, chown, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { serverEnvironment } from "./server.ts";

const run = promisify(execFile);

/** initdb beside the target and rename: an interrupted first start leaves nothing that looks like a cluster. */
export async function ensureData(binaries: Binaries, pgdata: string, account: Account): Promise<void> {
  const present = await access(join(pgdata, "PG_VERSION")).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw new Error(
        `${pgdata} cannot be read (${error.code}). It was made by another user: start as that one, or remove it.`,
      );
    },
  );
  if (present) return;
  const draft = `${pgdata}.${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  if (account) await chown(draft, account.uid, account.gid);
  // macOS has no C.UTF-8. Bytewise order everywhere, and lower() that knows more letters than ASCII.
  const locale = process.platform === "darwin"
    ? ["--locale=en_US.UTF-8", "--lc-collate=C"]
    : ["--locale=C.UTF-8"];
  await run(
    binaries.initdb,
    [
      "-D",
      draft,
      "-U",
      "supabase_admin",
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--no-sync",
      "--no-instructions",
      ...locale,
    ],
    { ...account, cwd: "/", env: serverEnvironment() },
  );
  await rename(draft, pgdata).catch(async (error) => {
    await rm(draft, { recursive: true, force: true });
    await access(join(pgdata, "PG_VERSION")).catch(() => Promise.reject(error));
  });
}
